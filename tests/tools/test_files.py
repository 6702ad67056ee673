from __future__ import annotations

import asyncio
import fcntl
import threading
from pathlib import Path

import pytest

from copaw.errors import BadInput, Conflict
from copaw.tools import files
from copaw.tools.files import in_thread, replace_file, sole_editor


async def test_a_cancellation_goes_on_at_once_and_tells_the_thread() -> None:
    begun, told = threading.Event(), threading.Event()

    def work(stop: threading.Event) -> None:
        begun.set()
        if stop.wait(10):
            told.set()

    task = asyncio.create_task(in_thread(work))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(told.wait, 10)


def test_nothing_is_written_once_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    replace_file(tmp_path / "a" / "b", b"x", stop)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("path", ["/dev/null", "/"])
def test_what_is_not_a_regular_file_is_never_replaced(path: str) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        replace_file(Path(path), b"x", threading.Event())
    assert not Path("/dev/null").is_file()


def test_editors_take_turns_over_replacements(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")

    def add() -> None:
        for _ in range(20):
            with sole_editor(path):
                replace_file(path, str(int(path.read_text()) + 1).encode(), threading.Event())

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "80"


def test_a_file_held_by_somebody_else_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LOCK_WAIT_S", 0.03)
    path = tmp_path / "held"
    path.touch()
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="locked by another process"), sole_editor(path):
            pytest.fail("the lock was not respected")
