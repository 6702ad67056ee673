"""What each event costs, however many listen and however long the text has become."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from copaw.aiokits.lease import LeaseSet
from copaw.app.runner import events
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.app.runner.task_tracker import Run, TaskTracker
from copaw.app.sse import frames_of
from copaw.ports import EventSink
from copaw.providers.answer import Piece

TOKENS = 50
EVENTS = TOKENS + 6
"""Two to begin, one to open the message, three to close."""


def start(tokens: int) -> Run:
    """A run that says so many tokens, letting listeners have their turn after each."""

    async def work(_run: Run, emit: EventSink) -> None:
        await speak(emit, tokens)

    return TaskTracker("agent").start("chat", "s", LeaseSet().acquire("stream"), 1, work)


async def speak(emit: EventSink, tokens: int) -> None:
    stream = ResponseStream(emit, "response_1", "s", 0)
    speaker = ResponseSpeaker(stream)
    stream.begin()
    for _ in range(tokens):
        speaker.hear([Piece(0, "text", "tok ")])
        await asyncio.sleep(0)
    speaker.finish()
    stream.complete()


class CountingJson:
    """The json module, which counts how often something is serialised."""

    def __init__(self) -> None:
        self.dumped = 0

    def dumps(self, *args: Any, **kwargs: Any) -> str:
        self.dumped += 1
        return json.dumps(*args, **kwargs)


@pytest.mark.parametrize("listeners", [1, 100])
async def test_an_event_is_serialised_once_irrespective_of_its_listeners(
    listeners: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = CountingJson()
    monkeypatch.setattr(events, "json", counting)
    run = start(TOKENS)

    async def listen() -> bytes:
        return b"".join([frame async for frame in frames_of(run)])

    heard = await asyncio.gather(*(listen() for _ in range(listeners)))
    assert len(run.events) == EVENTS
    assert set(heard) == {b"".join(event.frame for event in run.events)}
    assert counting.dumped == EVENTS


async def test_a_run_without_listeners_serialises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingJson()
    monkeypatch.setattr(events, "json", counting)
    await start(TOKENS).wait_end()
    assert counting.dumped == 0


async def test_a_token_costs_the_same_memory_early_and_late() -> None:
    few, many = await bytes_kept(250), await bytes_kept(1000)
    assert many / 1000 < 1.1 * few / 250
    assert many / 1000 < 1500


async def bytes_kept(tokens: int) -> int:
    """Memory of a run's events with their frames, while the run is still held by somebody."""
    run = start(tokens)
    tracemalloc.start()
    try:
        async for event in run.follow():
            assert event.frame
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
