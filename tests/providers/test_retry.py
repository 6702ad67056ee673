from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest

from copaw.errors import ModelError, ModelRateLimited
from copaw.providers.failures import BrokeOff, StatusFailure, Unreachable
from copaw.providers.limits import LLMLimits
from copaw.providers.models import ProviderInfo
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.retry import stream_with_retry

pytestmark = pytest.mark.looptime
INFO = ProviderInfo(id="p", name="P", base_url="http://host/v1")


def status(code: int, retry_after: float | None = None) -> StatusFailure:
    return StatusFailure(code, "said no", retry_after)


class Provider:
    """Fails as told, one entry an attempt, then answers."""

    def __init__(self, failures: Iterable[Exception], *, before: int = 0) -> None:
        self.failures = [*failures]
        self.before = before
        self.times: list[float] = []
        self.closed = 0

    async def stream(self) -> AsyncGenerator[str, None]:
        self.times.append(asyncio.get_running_loop().time())
        try:
            for number in range(self.before):
                yield f"early {number}"
            if self.failures:
                raise self.failures.pop(0)
            yield "a"
            yield "b"
        finally:
            self.closed += 1


async def read(provider: Provider, limits: LLMLimits, gate: ProviderGate | None = None) -> list[str]:
    chunks = stream_with_retry(
        provider.stream, gate=gate or ProviderGate("p"), limits=limits, info=INFO, model="m", jitter=lambda: 0.5
    )
    return [chunk async for chunk in chunks]


def waits(provider: Provider) -> list[float]:
    return [later - earlier for earlier, later in zip(provider.times, provider.times[1:], strict=False)]


@pytest.mark.parametrize(
    "error",
    [status(408), status(409), status(500), status(503), Unreachable("refused")],
    ids=["408", "409", "500", "503", "connection"],
)
async def test_a_passing_failure_is_tried_again_with_growing_waits(error: Exception) -> None:
    provider = Provider([error] * 3)
    assert await read(provider, LLMLimits(backoff_base_s=2, backoff_cap_s=5)) == ["a", "b"]
    assert waits(provider) == pytest.approx([2, 4, 5])
    assert provider.closed == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
async def test_a_failure_that_will_not_pass_is_not_tried_again(code: int) -> None:
    provider = Provider([status(code)])
    with pytest.raises(ModelError) as caught:
        await read(provider, LLMLimits())
    assert len(provider.times) == 1
    assert isinstance(caught.value.__cause__, StatusFailure)
    assert caught.value.code == "MODEL_EXECUTION_FAILED"


async def test_the_last_attempt_fails_with_their_number() -> None:
    gate = ProviderGate("p")
    provider = Provider([status(500)] * 9)
    with pytest.raises(ModelError, match="3 attempts"):
        await read(provider, LLMLimits(max_retries=2), gate)
    assert len(provider.times) == 3
    assert gate.active == 0


async def test_without_retries_there_is_one_attempt() -> None:
    provider = Provider([status(500)])
    with pytest.raises(ModelError):
        await read(provider, LLMLimits(retry_enabled=False))
    assert len(provider.times) == 1


async def test_once_a_chunk_was_passed_on_nothing_is_tried_again() -> None:
    provider = Provider([BrokeOff("peer closed")], before=1)
    with pytest.raises(ModelError, match="broke off: peer closed"):
        await read(provider, LLMLimits())
    assert len(provider.times) == 1


async def test_too_many_requests_pauses_every_caller_of_the_provider() -> None:
    gate = ProviderGate("p")
    limits = LLMLimits(rate_limit_pause_s=10, rate_limit_jitter_s=4)
    limited, other = Provider([status(429)]), Provider([])
    first = asyncio.create_task(read(limited, limits, gate))
    await asyncio.sleep(0.1)
    await read(other, limits, gate)
    assert await first == ["a", "b"]
    assert waits(limited) == pytest.approx([12])
    assert other.times == pytest.approx(limited.times[1:])


async def test_the_provider_may_say_how_long_to_wait() -> None:
    provider = Provider([status(429, 33)])
    await read(provider, LLMLimits(rate_limit_jitter_s=0))
    assert waits(provider) == pytest.approx([33])


async def test_a_limit_that_lasts_is_its_own_kind_of_failure() -> None:
    with pytest.raises(ModelRateLimited, match="llm_max_qpm"):
        await read(Provider([status(429)] * 2), LLMLimits(max_retries=1))


async def test_cancelling_passes_through_closes_the_stream_and_frees_the_slot() -> None:
    gate = ProviderGate("p")
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[str, None]:
        try:
            yield "a"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def reader() -> None:
        chunks = stream_with_retry(endless, gate=gate, limits=LLMLimits(), info=INFO, model="m")
        async for _ in chunks:
            pass

    task = asyncio.create_task(reader())
    await asyncio.sleep(1)
    assert gate.active == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
    assert gate.active == 0


async def test_closing_the_generator_closes_the_stream_and_frees_the_slot() -> None:
    gate = ProviderGate("p")
    provider = Provider([])
    chunks = stream_with_retry(provider.stream, gate=gate, limits=LLMLimits(), info=INFO, model="m")
    assert await anext(chunks) == "a"
    await chunks.aclose()
    assert provider.closed == 1
    assert gate.active == 0
