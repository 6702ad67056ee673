"""Try a model call again while that may help and nothing of the answer has been passed on."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from copaw.providers.failures import CallFailure, explain, is_rate_limit, is_transient, retry_after_s
from copaw.providers.limits import LLMLimits
from copaw.providers.models import ProviderInfo
from copaw.providers.rate_limit import ProviderGate

T = TypeVar("T")

log = logging.getLogger(__name__)


async def stream_with_retry(
    open_stream: Callable[[], AsyncGenerator[T, None]],
    *,
    gate: ProviderGate,
    limits: LLMLimits,
    info: ProviderInfo,
    model: str,
    jitter: Callable[[], float] = random.random,
) -> AsyncGenerator[T, None]:
    """Yield what ``open_stream()`` yields, from as many attempts as ``limits`` allow until the first chunk.

    A slot of ``gate`` is held from the request to the end of its stream. Cancellation and ``aclose`` close
    the stream and pass through untouched.

    :param jitter: a number from 0 to 1, part of ``limits.rate_limit_jitter_s`` to add to a pause.
    :raises ModelError: the call failed for good; the failure is the cause.
    """
    for attempt in range(1, limits.attempts + 1):
        begun = False
        try:
            async with gate.slot(limits), aclosing(open_stream()) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
            return
        except CallFailure as error:
            limited = is_rate_limit(error)
            pause_s = _pause_s(error, limits, jitter) if limited else limits.backoff_s(attempt)
            if limited:
                gate.pause(pause_s)
            if begun or not is_transient(error) or attempt == limits.attempts:
                raise explain(error, info, model, attempts=attempt, begun=begun) from error
            log.warning("Call %d to %s/%s failed, next in %.1f s: %s", attempt, info.id, model, pause_s, error)
        if not limited:  # a pause is waited for at the gate
            await asyncio.sleep(pause_s)


def _pause_s(error: CallFailure, limits: LLMLimits, jitter: Callable[[], float]) -> float:
    asked = retry_after_s(error)
    pause = limits.rate_limit_pause_s if asked is None else asked
    return pause + limits.rate_limit_jitter_s * jitter()
