"""Requests go first, but nobody waits for them for ever."""

from __future__ import annotations

import asyncio

import pytest

from copaw.aiokits.arrivals import Arrivals

pytestmark = pytest.mark.looptime


async def test_where_nobody_arrives_others_have_a_few_steps_and_no_time_passes() -> None:
    loop, steps = asyncio.get_running_loop(), []

    async def answer() -> None:
        for step in ("accept", "read", "hand over"):
            steps.append(step)
            await asyncio.sleep(0)

    answering = asyncio.create_task(answer())
    await Arrivals().give_way()
    assert (steps, loop.time()) == (["accept", "read", "hand over"], 0)
    await answering


async def test_a_request_that_has_just_come_is_given_time() -> None:
    loop, arrivals = asyncio.get_running_loop(), Arrivals()
    arrivals.note()
    await arrivals.give_way()
    assert 0.002 <= loop.time() <= 0.003
    before = loop.time()
    await arrivals.give_way()
    assert loop.time() == before


async def test_one_that_arrives_during_the_steps_counts_too() -> None:
    loop, arrivals = asyncio.get_running_loop(), Arrivals()

    async def answer() -> None:
        await asyncio.sleep(0)
        arrivals.note()

    answering = asyncio.create_task(answer())
    await arrivals.give_way()
    assert loop.time() >= 0.002
    await answering


async def test_a_stream_of_requests_starves_nobody() -> None:
    loop, arrivals = asyncio.get_running_loop(), Arrivals()

    async def arrive() -> None:
        while True:
            arrivals.note()
            await asyncio.sleep(0.0003)

    arriving = asyncio.create_task(arrive())
    await arrivals.give_way()
    assert 0.004 <= loop.time() <= 0.006
    arriving.cancel()


async def test_on_a_loop_whose_steps_are_long_it_takes_a_step_or_two() -> None:
    loop, arrivals, steps = asyncio.get_running_loop(), Arrivals(), 0

    async def too_much_to_do() -> None:
        nonlocal steps
        while True:
            steps += 1
            arrivals.note()
            await asyncio.sleep(0.01)

    working = asyncio.create_task(too_much_to_do())
    await asyncio.sleep(0.01)
    steps, begun = 0, loop.time()
    await arrivals.give_way()
    assert steps <= 2
    assert loop.time() - begun <= 0.01
    working.cancel()
