from __future__ import annotations

import asyncio

import pytest

from copaw.errors import ModelRateLimited
from copaw.providers.limits import LLMLimits
from copaw.providers.rate_limit import ProviderGate

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def call(gate: ProviderGate, limits: LLMLimits, seconds: float = 0) -> float:
    async with gate.slot(limits):
        begun = now()
        await asyncio.sleep(seconds)
        return begun


async def test_no_more_calls_than_allowed_are_under_way_and_the_first_come_is_first_served() -> None:
    gate = ProviderGate("p")
    limits = LLMLimits(max_concurrent=2)
    start = now()
    begun = await asyncio.gather(*(call(gate, limits, 10) for _ in range(5)))
    assert [time - start for time in begun] == pytest.approx([0, 0, 10, 10, 20])
    assert gate.active == 0


async def test_the_window_lets_so_many_calls_begin_in_a_minute() -> None:
    gate = ProviderGate("p")
    limits = LLMLimits(max_qpm=2)
    start = now()
    begun = [await call(gate, limits, 5) for _ in range(5)]
    assert [time - start for time in begun] == pytest.approx([0, 5, 60, 65, 120])


async def test_zero_queries_a_minute_means_no_limit() -> None:
    gate = ProviderGate("p")
    start = now()
    for _ in range(1000):
        await call(gate, LLMLimits(max_qpm=0))
    assert now() == start


async def test_a_pause_holds_everybody_and_the_longest_counts() -> None:
    gate = ProviderGate("p")
    start = now()
    gate.pause(8)
    gate.pause(3)
    begun = await asyncio.gather(*(call(gate, LLMLimits()) for _ in range(3)))
    assert [time - start for time in begun] == pytest.approx([8, 8, 8])


async def test_waiting_too_long_fails_and_names_the_setting() -> None:
    gate = ProviderGate("p")
    limits = LLMLimits(max_concurrent=1, acquire_timeout_s=30)
    start = now()
    async with gate.slot(limits):
        with pytest.raises(ModelRateLimited, match="llm_acquire_timeout"):
            await call(gate, limits)
        assert now() - start == pytest.approx(30)
    await call(gate, limits)


async def test_a_pause_longer_than_the_timeout_fails_at_once() -> None:
    gate = ProviderGate("p")
    gate.pause(3600)
    start = now()
    with pytest.raises(ModelRateLimited):
        await call(gate, LLMLimits(acquire_timeout_s=30))
    assert now() == start


async def test_a_cancelled_waiter_leaves_the_queue_to_the_next() -> None:
    gate = ProviderGate("p")
    limits = LLMLimits(max_concurrent=1)
    async with gate.slot(limits):
        first = asyncio.create_task(call(gate, limits))
        second = asyncio.create_task(call(gate, limits))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
    await second
    assert first.cancelled()
    assert gate.active == 0
