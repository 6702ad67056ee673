from __future__ import annotations

import asyncio

import pytest

from copaw.errors import LifecycleBug
from copaw.providers.pool import ClientPool, Endpoint

OLD = Endpoint("p", "http://127.0.0.1:9/v1", "old")
NEW = Endpoint("p", "http://127.0.0.1:9/v1", "new")


async def test_calls_at_once_and_one_after_another_share_a_client() -> None:
    pool = ClientPool()
    async with pool.lease(OLD) as first, pool.lease(OLD) as second:
        assert first is second
        assert pool.statistics() == {"p": 2}
    async with pool.lease(OLD) as third:
        assert third is first
    await pool.aclose()
    assert first.http.is_closed


async def test_many_first_calls_make_one_client() -> None:
    pool = ClientPool()

    async def client() -> int:
        async with pool.lease(OLD) as leased:
            return id(leased)

    assert len({*await asyncio.gather(*(client() for _ in range(10)))}) == 1
    await pool.aclose()


async def test_a_replaced_client_closes_when_its_last_call_ends() -> None:
    pool = ClientPool()
    async with pool.lease(OLD) as old:
        async with pool.lease(NEW) as new:
            assert new is not old
            assert new.openai.api_key == "new"
        assert not old.http.is_closed
    await pool.aclose()
    assert old.http.is_closed
    assert new.http.is_closed


async def test_a_replaced_client_that_nobody_uses_closes_without_the_pool() -> None:
    pool = ClientPool()
    async with pool.lease(OLD) as old:
        pass
    async with pool.lease(NEW):
        pass
    (closing,) = [task for task in asyncio.all_tasks() if task.get_name() == "close-model-client:p"]
    await closing
    assert old.http.is_closed
    await pool.aclose()


async def test_a_closed_pool_leases_no_more_and_closes_twice() -> None:
    pool = ClientPool()
    async with pool.lease(OLD) as leased:
        await pool.aclose()
        assert leased.http.is_closed
    await pool.aclose()
    with pytest.raises(LifecycleBug):
        async with pool.lease(OLD):
            pass


def test_the_digest_tells_keys_apart_and_shows_none() -> None:
    assert OLD.digest != NEW.digest
    assert "old" not in OLD.digest
