"""Keyed locks: in order, without a trace, and not held hostage."""

from __future__ import annotations

import asyncio

from copaw.aiokits.keyed import KeyedLocks


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Users:
    """People who hold a key until they are told to let go."""

    def __init__(self, locks: KeyedLocks) -> None:
        self.locks = locks
        self.holding: list[str] = []
        self.let_go: dict[str, asyncio.Event] = {}

    def come(self, name: str, key: str = "k") -> asyncio.Task[None]:
        self.let_go[name] = asyncio.Event()
        return asyncio.create_task(self._hold(name, key))

    async def _hold(self, name: str, key: str) -> None:
        async with self.locks.hold(key, name):
            self.holding.append(name)
            await self.let_go[name].wait()


async def test_first_come_first_served_and_nothing_is_left() -> None:
    users = Users(KeyedLocks())
    tasks = [users.come(name) for name in "abc"]
    await settle()
    assert users.holding == ["a"]
    for name in "abc":
        users.let_go[name].set()
    await asyncio.gather(*tasks)
    assert users.holding == ["a", "b", "c"]
    assert len(users.locks) == 0


async def test_keys_do_not_wait_for_one_another() -> None:
    users = Users(KeyedLocks())
    tasks = [users.come("a", "one"), users.come("b", "two")]
    await settle()
    assert users.holding == ["a", "b"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(users.locks) == 0


async def test_a_waiter_that_is_cancelled_leaves_its_place() -> None:
    users = Users(KeyedLocks())
    first, second, third = (users.come(name) for name in "abc")
    await settle()
    second.cancel()
    users.let_go["a"].set()
    users.let_go["c"].set()
    await asyncio.gather(first, third)
    assert users.holding == ["a", "c"]


async def test_a_waiter_cancelled_in_the_tick_of_its_turn_passes_it_on() -> None:
    users = Users(KeyedLocks())
    first, second, third = (users.come(name) for name in "abc")
    await settle()
    users.let_go["a"].set()
    await first
    second.cancel()
    users.let_go["c"].set()
    await asyncio.wait_for(third, 1)
    assert users.holding[-1] == "c"
    await asyncio.gather(second, return_exceptions=True)
    assert len(users.locks) == 0


async def test_an_abandoned_holder_no_longer_blocks_and_its_late_leave_is_harmless() -> None:
    users = Users(KeyedLocks())
    first, second, third = (users.come(name) for name in "abc")
    await settle()
    users.locks.abandon("k", "c")
    await settle()
    assert users.holding == ["a"]
    users.locks.abandon("k", "a")
    await settle()
    assert users.holding == ["a", "b"]
    users.let_go["a"].set()
    await first
    await settle()
    assert users.holding == ["a", "b"]
    users.let_go["b"].set()
    users.let_go["c"].set()
    await asyncio.gather(second, third)
    assert len(users.locks) == 0
    users.locks.abandon("k", "a")
