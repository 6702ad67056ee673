"""A pool opens once a key, closes with the last user, and does both in one task."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copaw.aiokits.pool import Handle, Pool, PoolClosed

pytestmark = pytest.mark.looptime


class Things:
    """What a pool may open: counts, and notices a scope that is left by another task than entered it."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.strangers = 0
        self.most_open = 0

    def open(
        self, key: str, *, open_s: float = 1.0, close_s: float = 1.0
    ) -> Callable[[], AbstractAsyncContextManager[str]]:
        @asynccontextmanager
        async def opening() -> AsyncIterator[str]:
            owner = asyncio.current_task()
            self.opened[key] += 1
            self.most_open = max(self.most_open, self.opened[key] - self.closed[key])
            try:
                await asyncio.sleep(open_s)
                if key in self.failing:
                    raise RuntimeError(f"{key} cannot be opened")
                yield f"{key}-{self.opened[key]}"
            finally:
                self.strangers += owner is not asyncio.current_task()
                await asyncio.sleep(close_s)
                self.closed[key] += 1

        return opening

    @property
    def all_closed(self) -> bool:
        return self.opened == self.closed


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def pool() -> Pool[str, str]:
    return Pool("test")


async def test_all_who_come_while_it_opens_share_it(pool: Pool[str, str], things: Things) -> None:
    handles = await asyncio.gather(*(pool.acquire("a", things.open("a")) for _ in range(10)))
    assert {handle.value for handle in handles} == {"a-1"}
    assert pool.statistics().users == {"a": 10}


async def test_it_stays_open_until_the_last_user_lets_go(pool: Pool[str, str], things: Things) -> None:
    first, second = await pool.acquire("a", things.open("a")), await pool.acquire("a", things.open("a"))
    await first.aclose()
    assert not things.closed
    await second.aclose()
    assert things.all_closed
    assert pool.statistics().users == {}
    assert things.strangers == 0


async def test_a_second_release_is_harmless_and_counted(pool: Pool[str, str], things: Things) -> None:
    first, second = await pool.acquire("a", things.open("a")), await pool.acquire("a", things.open("a"))
    first.release()
    first.release()
    assert pool.statistics().double_releases == 1
    assert pool.peek("a") == "a-1"
    await second.aclose()


async def test_a_failure_reaches_all_who_wait_and_is_forgotten(pool: Pool[str, str], things: Things) -> None:
    things.failing.add("a")
    found = await asyncio.gather(*(pool.acquire("a", things.open("a")) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["a cannot be opened"] * 3
    assert pool.statistics().users == {}
    things.failing.clear()
    async with pool.using("a", things.open("a")) as value:
        assert value == "a-2"
    assert things.all_closed


async def test_a_cancelled_wait_leaves_the_others_alone(pool: Pool[str, str], things: Things) -> None:
    waits = [asyncio.create_task(pool.acquire("a", things.open("a"))) for _ in range(2)]
    await asyncio.sleep(0.5)
    waits[0].cancel()
    handle = await waits[1]
    assert (waits[0].cancelled(), handle.value, pool.statistics().users) == (True, "a-1", {"a": 1})
    await handle.aclose()


async def test_opening_is_given_up_when_nobody_waits_any_more(pool: Pool[str, str], things: Things) -> None:
    wait = asyncio.create_task(pool.acquire("a", things.open("a", open_s=1000.0)))
    await asyncio.sleep(0.5)
    wait.cancel()
    with suppress(asyncio.CancelledError):
        await wait
    async with pool.using("a", things.open("a")) as value:
        assert value == "a-2"
    assert things.most_open == 1
    assert things.all_closed


async def test_it_is_closed_before_it_is_opened_again(pool: Pool[str, str], things: Things) -> None:
    first = await pool.acquire("a", things.open("a", close_s=5.0))
    first.release()
    second = await pool.acquire("a", things.open("a"))
    assert (second.value, things.most_open) == ("a-2", 1)
    await second.aclose()


async def test_other_keys_do_not_wait_for_it(
    pool: Pool[str, str], things: Things, looptime: Callable[[], float]
) -> None:
    slow = asyncio.create_task(pool.acquire("slow", things.open("slow", open_s=100.0)))
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    handle = await pool.acquire("a", things.open("a"))
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
    await handle.aclose()
    slow.cancel()
    await pool.aclose()
    assert things.all_closed


async def test_a_closed_pool_has_closed_everything_and_refuses(pool: Pool[str, str], things: Things) -> None:
    await pool.acquire("a", things.open("a"))
    waiting = asyncio.create_task(pool.acquire("b", things.open("b", open_s=100.0)))
    await asyncio.sleep(0.5)
    await pool.aclose()
    assert things.all_closed
    with pytest.raises(PoolClosed):
        await waiting
    with pytest.raises(PoolClosed):
        await pool.acquire("a", things.open("a"))


async def test_a_failing_close_is_reported_and_the_key_is_free_again(
    pool: Pool[str, str], things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def stubborn() -> AsyncIterator[str]:
        yield "stubborn"
        raise RuntimeError("will not close")

    async with pool.using("a", stubborn):
        pass
    assert "will not close" in caplog.text
    async with pool.using("a", things.open("a")):
        pass


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["use", "use", "give up", "fail"]), st.integers(0, 6)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**16))
def test_whatever_users_do_no_key_is_open_twice_and_nothing_is_left(
    steps: list[tuple[str, str, int]], seed: int
) -> None:
    things, pool, rng = Things(), Pool[str, str]("property"), random.Random(seed)

    async def user(key: str, deed: str, start: int) -> None:
        await asyncio.sleep(start + rng.random())
        things.failing.discard(key)
        if deed == "fail":
            things.failing.add(key)
        wait = asyncio.ensure_future(pool.acquire(key, things.open(key, open_s=rng.random(), close_s=rng.random())))
        if deed == "give up":
            asyncio.get_running_loop().call_later(rng.random() * 2, wait.cancel)
        handle: Handle[str, str] | None = None
        with suppress(RuntimeError, asyncio.CancelledError):
            handle = await wait
        if handle is not None:
            assert pool.peek(key) == handle.value
            await asyncio.sleep(rng.random() * 3)
            assert pool.peek(key) == handle.value, "closed while it was used"
            handle.release()

    async def scenario() -> None:
        await asyncio.gather(*(user(*step) for step in steps))
        await pool.aclose()

    import looptime

    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()
    statistics = pool.statistics()
    assert things.all_closed
    assert things.strangers == 0
    assert things.most_open <= 1
    assert (statistics.users, statistics.open, statistics.double_releases) == ({}, 0, 0)
