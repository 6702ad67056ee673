"""Run many seeds of the simulation of the reload lifecycle, or one of them with its whole course.

``--seeds 100000`` for a night, ``--seed N`` for one that failed. Exits 1 if a seed failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from copaw.testing.simulation import Report, SimulationFailed, simulate

CHUNK = 100
SHOWN_FAILURES = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=3000, help="how many seeds (default: %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="run this one alone and print its course")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes (default: %(default)s)")
    given = parser.parse_args()
    if given.seed is not None:
        return one(given.seed)
    return many(range(given.start, given.start + given.seeds), given.jobs)


def one(seed: int) -> int:
    try:
        report = simulate(seed)
    except SimulationFailed as error:
        print(error)
        return 1
    print("\n".join(report.trace))
    print(sums([report]))
    return 0


def many(seeds: range, jobs: int) -> int:
    began = time.perf_counter()
    chunks = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
    failures: list[str] = []
    reports: list[Report] = []
    with ProcessPoolExecutor(jobs) as pool:
        for good, bad in pool.map(run_chunk, chunks):
            reports += good
            failures += bad
            print(f"\r{len(reports) + len(failures)} seeds, {len(failures)} failed", end="", flush=True)
    took_s = time.perf_counter() - began
    print(f"\n{sums(reports)}\n{len(seeds) / took_s:.0f} seeds a second")
    for failure in failures[:SHOWN_FAILURES]:
        print(f"\n{failure}")
    if failures:
        print(f"\n{len(failures)} of {len(seeds)} seeds failed.")
    return 1 if failures else 0


def run_chunk(seeds: Iterable[int]) -> tuple[list[Report], list[str]]:
    good, bad = [], []
    for seed in seeds:
        try:
            report = simulate(seed)
        except SimulationFailed as error:
            bad.append(str(error))
        else:
            report.trace.clear()
            good.append(report)
    return good, bad


def sums(reports: Iterable[Report]) -> str:
    """What all of them did, in three lines."""
    outcomes, ends, counts = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        outcomes += report.outcomes
        ends += report.ends
        counts += Counter(runs=report.runs, refused=report.refused, messages=report.messages, checks=report.checks)
    lines = {"did": counts, "reloads": outcomes, "runs ended": ends}
    return "\n".join(f"{name}: " + ", ".join(f"{key} {n}" for key, n in c.most_common()) for name, c in lines.items())


if __name__ == "__main__":
    sys.exit(main())
