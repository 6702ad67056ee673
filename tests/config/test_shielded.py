from __future__ import annotations

import asyncio
import logging

import pytest

from copaw.config.shielded import to_the_end


class Work:
    """Something that ends when it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()
        self.ended = False
        self._error = error

    async def run(self) -> int:
        self.begun.set()
        await self.let_go.wait()
        self.ended = True
        if self._error:
            raise self._error
        return 42


async def test_the_result_and_the_error_are_passed_on() -> None:
    work = Work()
    work.let_go.set()
    assert await to_the_end(work.run(), name="work") == 42
    work = Work(KeyError("x"))
    work.let_go.set()
    with pytest.raises(KeyError):
        await to_the_end(work.run(), name="work")


async def test_a_cancelled_caller_leaves_only_when_the_work_is_done() -> None:
    work = Work()
    caller = asyncio.create_task(to_the_end(work.run(), name="work"))
    await work.begun.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
    assert not caller.done()
    work.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.ended


async def test_a_failure_during_a_cancellation_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(OSError("disk full"))
    caller = asyncio.create_task(to_the_end(work.run(), name="work"))
    await work.begun.wait()
    caller.cancel()
    work.let_go.set()
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await caller
    assert "disk full" in caplog.text
