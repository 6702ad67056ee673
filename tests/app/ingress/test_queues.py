"""Queues by key: in order, one at a time, side by side, bounded, and gone when idle."""

from __future__ import annotations

import asyncio

import pytest

from copaw.app.ingress.queues import KeyedQueues

pytestmark = pytest.mark.looptime


class Handler:
    def __init__(self, max_queued: int = 5, max_total: int = 8) -> None:
        self.done: list[tuple[str, int]] = []
        self.busy: dict[str, int] = {}
        self.most_busy = 0
        self.queues: KeyedQueues[str, int] = KeyedQueues("q", self, max_queued=max_queued, max_total=max_total)

    async def __call__(self, key: str, item: int) -> None:
        self.busy[key] = self.busy.get(key, 0) + 1
        self.most_busy = max(self.most_busy, self.busy[key])
        await asyncio.sleep(1)
        self.busy[key] -= 1
        if item < 0:
            raise RuntimeError("bad item")
        self.done.append((key, item))


async def test_items_of_one_key_are_handled_in_order_and_keys_side_by_side() -> None:
    handler = Handler()
    for item in range(3):
        assert handler.queues.put("a", item)
        assert handler.queues.put("b", item)
    await asyncio.sleep(3.5)
    assert [item for key, item in handler.done if key == "a"] == [0, 1, 2]
    assert [item for key, item in handler.done if key == "b"] == [0, 1, 2]
    assert handler.most_busy == 1


async def test_a_worker_is_gone_when_idle_and_busy_is_not_idle() -> None:
    handler = Handler()
    handler.queues.put("a", 1)
    await asyncio.sleep(0.5)
    assert (len(handler.queues), handler.queues.waiting()) == (1, 0)
    handler.queues.put("a", 2)
    await asyncio.sleep(1)
    assert (len(handler.queues), handler.done) == (1, [("a", 1)])
    await asyncio.sleep(1)
    assert (len(handler.queues), len(asyncio.all_tasks())) == (0, 1)
    handler.queues.put("a", 3)
    await asyncio.sleep(1.5)
    assert handler.done[-1] == ("a", 3)


async def test_a_full_key_refuses_and_the_others_do_not() -> None:
    handler = Handler(max_queued=2, max_total=4)
    assert handler.queues.put("a", 0)
    await asyncio.sleep(0.1)
    assert [handler.queues.put("a", item) for item in (1, 2, 3)] == [True, True, False]
    assert handler.queues.put("b", 1)
    await asyncio.sleep(10)
    assert [item for key, item in handler.done if key == "a"] == [0, 1, 2]
    assert handler.queues.put("a", 4)


async def test_all_keys_together_are_bounded() -> None:
    handler = Handler(max_queued=5, max_total=3)
    assert [handler.queues.put(key, 0) for key in "abcd"] == [True, True, True, False]


async def test_an_item_that_fails_does_not_hold_up_the_next(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler()
    for item in (1, -1, 2):
        handler.queues.put("a", item)
    await asyncio.sleep(4)
    assert [item for _key, item in handler.done] == [1, 2]
    assert "bad item" in caplog.text


async def test_what_waits_can_be_taken_out() -> None:
    handler = Handler()
    for item in (1, 2, 3):
        handler.queues.put("a", item)
    handler.queues.put("b", 9)
    await asyncio.sleep(0.5)
    assert handler.queues.drop(lambda key: key == "a") == {"a": [2, 3]}
    await asyncio.sleep(2)
    assert sorted(handler.done) == [("a", 1), ("b", 9)]


async def test_closing_cancels_what_runs_and_refuses_what_comes() -> None:
    handler = Handler()
    handler.queues.put("a", 1)
    await asyncio.sleep(0.5)
    await handler.queues.aclose()
    assert not handler.queues.put("a", 2)
    assert handler.done == []
    assert len(asyncio.all_tasks()) == 1


async def test_waiting_for_idle_has_a_bound() -> None:
    handler = Handler()
    handler.queues.put("a", 1)
    assert not await handler.queues.wait_idle(0.5)
    assert await handler.queues.wait_idle(5)
    assert handler.done == [("a", 1)]
