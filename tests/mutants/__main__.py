"""Test the tests: put one fault after another into a copy of the sources, and see that the tests notice.

    python -m tests.mutants [--jobs 2] [-k WORDS]

The working tree is never touched. Exits 1 if a mutant survived, is stale, or the tests fail without any.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CATALOGUE = Path(__file__).with_name("mutants.toml")
USUAL_TESTS = (
    "tests/lifecycle/test_bounds.py",
    "tests/lifecycle/test_scenarios.py",
    "tests/lifecycle/test_scenarios_around.py",
    "tests/app/test_agent_slot.py",
    "tests/app/runner/test_task_tracker.py",
    "tests/aiokits/test_lease.py",
    "tests/lifecycle/test_simulation.py",
    "tests/lifecycle/test_machine.py",
)
SEEDS = "300"
EXAMPLES = "40"
LIMIT_S = 120
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Verdict:
    """What the tests said about one mutant; ``by`` is the first test that failed."""

    name: str
    word: str
    by: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.word in ("killed", "passed")


def load() -> list[dict[str, object]]:
    """The catalogue."""
    mutants: list[dict[str, object]] = tomllib.loads(CATALOGUE.read_text("utf-8"))["mutant"]
    return mutants


def mutate(sources: Path, mutant: dict[str, object]) -> bool:
    """Change a copy of the sources. ``False`` if the mutant is stale."""
    path = sources / "copaw" / str(mutant["file"])
    text = path.read_text("utf-8")
    for old, new in (("old", "new"), ("also_old", "also_new")):
        if old not in mutant:
            continue
        if text.count(str(mutant[old])) != 1:
            return False
        text = text.replace(str(mutant[old]), str(mutant[new]))
    path.write_text(text, "utf-8")
    return True


def judge(mutant: dict[str, object] | None, tests: tuple[str, ...]) -> Verdict:
    """Run the tests on a copy of the sources with one fault, or with none."""
    name = str(mutant["name"]) if mutant is not None else "no fault at all"
    chosen = mutant.get("tests", tests) if mutant is not None else tests
    assert isinstance(chosen, list | tuple)
    directory = Path(tempfile.mkdtemp(prefix="copaw-mutant-"))
    try:
        sources = directory / "src"
        shutil.copytree(ROOT / "src" / "copaw", sources / "copaw")
        if mutant is not None and not mutate(sources, mutant):
            return Verdict(name, "STALE")
        return _run(name, mutant is not None, directory, [str(test) for test in chosen])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(name: str, has_fault: bool, directory: Path, tests: list[str]) -> Verdict:
    sources = directory / "src"
    environ = {
        **os.environ,
        "PYTHONPATH": str(sources),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(directory / "hypothesis"),
        "COPAW_SIMULATION_SEEDS": SEEDS,
        "COPAW_MACHINE_EXAMPLES": EXAMPLES,
    }
    used = "import copaw, sys; sys.exit(not copaw.__file__.startswith(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", used, str(sources)], env=environ, check=True, cwd=ROOT)
    flags = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={directory / 'tmp'}", "--timeout=15"]
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *flags, *tests],
            env=environ, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Verdict(name, "killed" if has_fault else "HUNG", "the time limit", LIMIT_S)
    took_s = time.monotonic() - began
    by = re.search(r"^(?:FAILED|ERROR) \S*?([\w/]+\.py\S*)", done.stdout, re.MULTILINE)
    words = {PASSED: "SURVIVED", FAILED: "killed"} if has_fault else {PASSED: "passed"}
    word = words.get(done.returncode, f"BROKEN ({done.returncode})")
    return Verdict(name, word, by.group(1) if by is not None else "", took_s)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="See that the tests notice faults.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at once (default: %(default)s)")
    parser.add_argument("-k", default="", metavar="WORDS", help="only mutants whose name contains this")
    given = parser.parse_args()
    mutants = [mutant for mutant in load() if given.k in str(mutant["name"])]
    others = {str(test) for mutant in mutants for test in mutant.get("tests", ())}  # type: ignore[attr-defined]
    began = time.monotonic()
    verdicts = []
    with ThreadPoolExecutor(given.jobs) as pool:
        sound = pool.submit(judge, None, (*USUAL_TESTS, *sorted(others)))
        judged = pool.map(lambda mutant: judge(mutant, USUAL_TESTS), mutants)
        for verdict in judged:
            verdicts.append(verdict)
            print(f"{verdict.word:10} {verdict.seconds:5.1f} s  {verdict.name:70} {verdict.by}", flush=True)
        verdicts.append(sound.result())
    print(f"{verdicts[-1].word:10} {verdicts[-1].seconds:5.1f} s  {verdicts[-1].name:70} {verdicts[-1].by}")
    bad = [verdict for verdict in verdicts if not verdict.good]
    print(f"{len(mutants)} mutants in {time.monotonic() - began:.0f} s, {len(bad)} verdicts to look into")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
