"""``copaw task``: one run without a server; every option does what it says, or is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from copaw.testing.server import Finished, run_command, server_environ

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    home = tmp_path_factory.mktemp("task")
    return {**server_environ(home), "TMPDIR": str(tmp_path_factory.mktemp("tmp"))}


def content_of(directory: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(directory).rglob("*") if path.is_file()}


async def task(environ: Mapping[str, str], *lines: str, options: tuple[str, ...] = ()) -> Finished:
    if not content_of(environ["COPAW_WORKING_DIR"]):
        assert (await run_command("init", "--defaults", environ=environ)).returncode == 0
    before = content_of(environ["COPAW_WORKING_DIR"])
    done = await run_command("task", "-i", "\n".join(lines), *options, environ=environ)
    # The agent itself was not touched, and nothing was left behind.
    assert content_of(environ["COPAW_WORKING_DIR"]) == before
    assert content_of(environ["TMPDIR"]) == {}
    return done


def call(tool: str, **arguments: object) -> str:
    return f"call {tool} {json.dumps(arguments)}"


async def test_the_answer_is_printed(environ: Mapping[str, str]) -> None:
    done = await task(environ, "say hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")


async def test_what_was_made_and_changed_is_kept_and_nothing_else(environ: Mapping[str, str], tmp_path: Path) -> None:
    lines = [
        call("write_file", file_path="made/by it.txt", content="x"),
        call("write_file", file_path="PROFILE.md", content="changed"),
        "say done",
    ]
    done = await task(environ, *lines, options=("--output-dir", str(tmp_path / "out")))
    assert (done.returncode, done.stdout) == (0, "done\n")
    kept = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert kept == {"task.json", "made/by it.txt", "PROFILE.md"}
    assert (tmp_path / "out" / "PROFILE.md").read_text() == "changed"
    assert json.loads((tmp_path / "out" / "task.json").read_text())["state"] == "succeeded"


async def test_the_number_of_model_calls_is_bounded(environ: Mapping[str, str], tmp_path: Path) -> None:
    lines = [call("write_file", file_path=f"{number}.txt", content="x") for number in range(5)]
    out = tmp_path / "out"
    await task(environ, *lines, "say done", options=("--max-iters", "2", "--output-dir", str(out)))
    assert sorted(path.name for path in out.glob("*.txt")) == ["0.txt", "1.txt"]


async def test_time_is_bounded(environ: Mapping[str, str]) -> None:
    done = await task(environ, call("execute_shell_command", command="sleep 60"), options=("--timeout", "1"))
    assert done.returncode == 1
    assert "time limit" in done.stderr


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("--model", "openai"), 2, "--model must be PROVIDER/MODEL"),
        (("--model", "nobody/x"), 1, "no model provider 'nobody'"),
        (("--agent-id", "nobody"), 1, "Agent 'nobody' not found"),
        (("--skills-dir", "."), 2, "--skills-dir is not available in this version"),
        (("--max-iters", "0"), 2, "at least 1"),
        (("--timeout", "0"), 2, "at least 1"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    environ: Mapping[str, str], options: tuple[str, ...], status: int, sentence: str
) -> None:
    done = await task(environ, "say x", options=options)
    assert sentence in done.stderr
    assert done.returncode == status
