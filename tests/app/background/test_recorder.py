"""Events are on the disk soon after they happened, in order, once, and neither without bound nor without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from copaw.app.background import recorder as module
from copaw.app.background.outcome import frames_in
from copaw.app.background.recorder import FLUSH_S, STORED_WITHIN_S, EventRecorder
from copaw.app.background.records import EventChunk
from copaw.app.runner.events import Event
from copaw.errors import Unavailable

pytestmark = pytest.mark.looptime


def event(sequence: int, text: str = "x", **fields: object) -> Event:
    return Event(sequence, {"object": "content", "status": "in_progress", "text": text, **fields})


class Disk:
    """Takes chunks. :ivar write_s: how long that takes. :ivar problem: raised instead."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, EventChunk]] = []
        self.write_s = 0.0
        self.problem: Unavailable | None = None

    async def write(self, chunks: Sequence[EventChunk]) -> None:
        await asyncio.sleep(self.write_s)
        if self.problem is not None:
            raise self.problem
        now = asyncio.get_running_loop().time()
        self.chunks += [(now, chunk) for chunk in chunks]

    def stored(self, task_id: str = "t") -> list[int]:
        """The sequence numbers of what is stored, in the order in which it was."""
        chunks = [chunk for _, chunk in self.chunks if chunk.task_id == task_id]
        return [sequence for chunk in chunks for sequence, _ in frames_in(chunk)]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def recorder(disk: Disk) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(disk.write)
    yield recorder
    await recorder.aclose()


@pytest.mark.parametrize("write_s", [0.0, 0.3])
async def test_an_event_is_stored_within_the_time_that_is_promised(
    recorder: EventRecorder, disk: Disk, write_s: float
) -> None:
    disk.write_s = write_s
    happened = []
    for sequence in range(40):
        happened.append(asyncio.get_running_loop().time())
        recorder.take("t", [event(sequence)])
        await asyncio.sleep(0.07)
    await asyncio.sleep(2)
    assert disk.stored() == list(range(40))
    stored_at = {sequence: at for at, chunk in disk.chunks for sequence, _ in frames_in(chunk)}
    assert max(stored_at[sequence] - at for sequence, at in enumerate(happened)) <= STORED_WITHIN_S
    # A few writes a second, however many events there are.
    assert len(disk.chunks) <= 40 * 0.07 / FLUSH_S + 2


async def test_a_tool_call_is_stored_at_once_also_one_that_comes_during_a_write(
    recorder: EventRecorder, disk: Disk
) -> None:
    disk.write_s = 0.1
    recorder.take("t", [event(0, type="plugin_call")])
    await asyncio.sleep(0.05)
    recorder.take("t", [event(1, type="plugin_call")])
    await asyncio.sleep(0.16)
    assert disk.stored() == [0, 1]


async def test_who_waits_for_it_goes_on_when_the_event_is_on_the_disk(recorder: EventRecorder, disk: Disk) -> None:
    disk.write_s = 0.1
    waiting = asyncio.ensure_future(recorder.wait_stored("t", 2))
    recorder.take("t", [event(0)])
    await asyncio.sleep(0.15)
    assert not waiting.done()
    recorder.take("t", [event(1, type="mcp_call")])
    assert await waiting
    assert disk.stored() == [0, 1]
    assert await recorder.wait_stored("t", 2)


async def test_nobody_waits_for_a_disk_that_cannot_be_written(recorder: EventRecorder, disk: Disk) -> None:
    disk.problem = Unavailable("the disk is full")
    recorder.take("t", [event(0)])
    assert not await recorder.wait_stored("t", 1)
    disk.problem = None
    await asyncio.sleep(5)
    assert await recorder.wait_stored("t", 1)


async def test_what_cannot_be_written_is_kept_and_written_later(recorder: EventRecorder, disk: Disk) -> None:
    disk.problem = Unavailable("the disk is full")
    recorder.take("t", [event(0)])
    await asyncio.sleep(1)
    recorder.take("t", [event(1)])
    await asyncio.sleep(1)
    disk.problem = None
    await asyncio.sleep(5)
    assert disk.stored() == [0, 1]


async def test_the_rest_of_a_task_goes_with_its_end(recorder: EventRecorder, disk: Disk) -> None:
    recorder.take("t", [event(0), event(1)])
    recorder.take("other", [event(0)])
    rest, truncated = recorder.finish("t")
    assert [sequence for chunk in rest for sequence, _ in frames_in(chunk)] == [0, 1]
    assert not truncated
    await asyncio.sleep(1)
    assert (disk.stored("t"), disk.stored("other")) == ([], [0])


async def test_a_task_that_says_too_much_is_cut_and_keeps_its_end(
    recorder: EventRecorder, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TASK_BYTES", 1000)
    recorder.take("t", [event(sequence, "x" * 100) for sequence in range(20)])
    end = Event(20, {"object": "response", "status": "completed"})
    recorder.take("t", [end])
    rest, truncated = recorder.finish("t")
    kept = [sequence for chunk in rest for sequence, _ in frames_in(chunk)]
    assert truncated
    assert (kept[0], kept[-1]) == (0, 20)
    assert len(kept) < 10


async def test_what_waits_for_the_database_is_bounded(
    recorder: EventRecorder, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNWRITTEN_BYTES", 3000)
    disk.problem = Unavailable("the disk is full")
    for sequence in range(30):
        recorder.take("t", [event(sequence, "x" * 500)])
        await asyncio.sleep(3)
    disk.problem = None
    await asyncio.sleep(5)
    assert disk.stored()[-1] == 29
    assert len(disk.stored()) < 10
    _, truncated = recorder.finish("t")
    assert truncated
