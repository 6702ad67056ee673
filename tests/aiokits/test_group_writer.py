"""Files written together: each arrives whole, and what goes wrong with one concerns no other."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copaw.aiokits import group_writer
from copaw.aiokits.group_writer import GroupWriter


class Gate:
    """Content that is given when the test says so; whoever writes it waits."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._opened = threading.Event()
        self.asked = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def __call__(self) -> bytes:
        self.asked.set()
        assert self._opened.wait(10)
        return self._text.encode()


class Syncs:
    """Counts what is brought to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = self.directories = 0
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._counted)

    def _counted(self, handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            self.directories += 1
        else:
            self.files += 1
        self._fsync(handle)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    return Syncs(monkeypatch)


def text(content: str) -> Callable[[], bytes]:
    return content.encode


def left_over(directory: Path) -> list[str]:
    return [path.name for path in directory.rglob(".*.tmp")]


def open_left_over() -> list[str]:
    files = [str(handle.resolve()) for handle in Path("/proc/self/fd").iterdir()]
    return [name for name in files if ".tmp" in name]


def contents(directory: Path) -> list[str]:
    return sorted(path.read_text() for path in directory.iterdir())


async def test_a_file_is_on_the_disk_when_it_is_said_to_be(tmp_path: Path, syncs: Syncs) -> None:
    path = tmp_path / "deep" / "a"
    await GroupWriter().write(path, text("1"))
    assert path.read_text() == "1"
    assert (syncs.files, syncs.directories) == (1, 1)


async def test_what_is_asked_for_meanwhile_goes_together(tmp_path: Path, syncs: Syncs) -> None:
    writer, gate = GroupWriter(), Gate("first")
    first = writer.write(tmp_path / "first", gate)
    others = [writer.write(tmp_path / f"{number}", text(f"{number}")) for number in range(20)]
    await asyncio.to_thread(gate.asked.wait, 10)
    assert not any(one.done() for one in others)
    gate.open()
    await asyncio.gather(first, *others)
    assert [(tmp_path / f"{number}").read_text() for number in range(20)] == [f"{number}" for number in range(20)]
    assert (syncs.files, syncs.directories) == (21, 2)


async def test_each_directory_is_synced(tmp_path: Path, syncs: Syncs) -> None:
    writer, gate = GroupWriter(), Gate("")
    writes = [writer.write(tmp_path / "x", gate)]
    writes += [writer.write(tmp_path / folder / "f", text("")) for folder in ("a", "b", "a")]
    gate.open()
    await asyncio.gather(*writes)
    assert syncs.directories == 1 + 2


async def test_no_more_files_are_open_than_a_batch_has(
    tmp_path: Path, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_writer, "MAX_BATCH", 3)
    writer = GroupWriter()
    await asyncio.gather(*(writer.write(tmp_path / f"{number}", text("")) for number in range(7)))
    assert syncs.directories == 1 + 2, "the first one alone, then three and three"


async def test_what_goes_wrong_with_one_concerns_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    writer, gate = GroupWriter(), Gate("")

    def broken() -> bytes:
        raise RuntimeError("no content")

    writes = [
        writer.write(tmp_path / "first", gate),
        writer.write(tmp_path / "no-content", broken),
        writer.write(tmp_path / "folder", text("x")),
        writer.write(tmp_path / "file" / "below", text("x")),
        writer.write(tmp_path / "good", text("good")),
    ]
    gate.open()
    ended = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in ended] == [
        type(None), RuntimeError, IsADirectoryError, NotADirectoryError, type(None)
    ]  # fmt: skip
    assert (tmp_path / "good").read_text() == "good"
    assert (tmp_path / "file").read_text() == "in the way"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod"])
async def test_a_disk_that_does_not_take_it_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            await GroupWriter().write(path, text("new"))
    assert path.read_text() == "old"
    assert left_over(tmp_path) == []
    assert open_left_over() == []


async def test_whoever_no_longer_waits_does_not_take_it_back(tmp_path: Path) -> None:
    writer, gate = GroupWriter(), Gate("first")
    first, second = writer.write(tmp_path / "first", gate), writer.write(tmp_path / "second", text("second"))
    first.cancel()
    second.cancel()
    gate.open()
    await writer.write(tmp_path / "third", text("third"))
    assert contents(tmp_path) == ["first", "second", "third"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_a_file_holds_what_was_asked_for_last(tmp_path: Path, writes: list[tuple[str, bool]]) -> None:
    async def course() -> None:
        writer = GroupWriter()
        pending = []
        for number, (name, pause) in enumerate(writes):
            pending.append(writer.write(tmp_path / name, text(f"{number}")))
            if pause:
                await asyncio.sleep(0)
        await asyncio.gather(*pending)

    asyncio.run(course())
    for name, number in {name: number for number, (name, _) in enumerate(writes)}.items():
        assert (tmp_path / name).read_text() == f"{number}"
