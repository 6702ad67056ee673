"""What a streamed token costs from the model to the frame, in calls and in memory blocks: counted, not timed."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from copaw.app.runner.task_tracker import Run
from copaw.app.services import Services, open_services
from copaw.testing.home import fresh_home, request

FEW, MANY = 200, 1000
CALLS, BLOCKS = 55.0, 9.0
"""Of Python and C functions; of the allocator, kept while somebody holds the run."""


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        # What is imported or opened once belongs to no token.
        for number in range(3):
            await answer(services, 20, f"warm-{number}")
        await services.tasks.store()
        yield services


async def answer(services: Services, tokens: int, session_id: str) -> Run:
    """One answer of so many tokens, each of which one listener gets as a frame."""
    run = await services.runner.start(request(f"tokens {tokens}", session_id=session_id), "default", kind="stream")
    async for event in run.follow():
        assert event.frame
    assert len(run.events) > tokens
    return run


async def counted(services: Services, tokens: int) -> tuple[int, int]:
    """Calls made for an answer in the loop's thread, and blocks kept for it."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    gc.collect()
    before = sys.getallocatedblocks()
    sys.setprofile(count)
    try:
        run = await answer(services, tokens, f"tokens-{tokens}")
    finally:
        sys.setprofile(None)
    await asyncio.sleep(0)
    gc.collect()
    kept = sys.getallocatedblocks() - before
    assert run.events
    return calls, kept


async def test_a_token_costs_a_bounded_number_of_calls_and_memory_blocks(services: Services) -> None:
    few, many = await counted(services, FEW), await counted(services, MANY)
    calls, blocks = ((more - less) / (MANY - FEW) for less, more in zip(few, many, strict=True))
    assert 5 < calls < CALLS
    assert 1 < blocks < BLOCKS
