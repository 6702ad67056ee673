"""One gate per provider: how many calls may be under way, how many may begin, and when all must wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from copaw.errors import ModelRateLimited
from copaw.providers.limits import LLMLimits

WINDOW_S = 60.0


class ProviderGate:
    """Lets calls through in the order they came. Time is the running loop's.

    The limits come with each call, since agents may differ in theirs; what is counted is shared. The first
    in the queue holds back those behind it, so that nobody is overtaken for ever.
    """

    def __init__(self, provider_id: str) -> None:
        self._provider_id = provider_id
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._begun: deque[float] = deque()
        self._paused_until = 0.0
        self.active = 0

    @asynccontextmanager
    async def slot(self, limits: LLMLimits) -> AsyncIterator[None]:
        """Hold one slot.

        :raises ModelRateLimited: no turn came within ``limits.acquire_timeout_s``, or none can.
        """
        await self._acquire(limits)
        try:
            yield
        finally:
            self.active -= 1
            self._freed.set()

    def pause(self, seconds: float) -> None:
        """Let nobody begin a call for that long; calls under way go on."""
        until = asyncio.get_running_loop().time() + seconds
        self._paused_until = max(self._paused_until, until)

    async def _acquire(self, limits: LLMLimits) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.acquire_timeout_s
        try:
            async with asyncio.timeout_at(deadline), self._turn:
                while True:
                    now = loop.time()
                    wait_s = max(self._paused_until - now, self._window_wait(now, limits))
                    if now + wait_s > deadline:
                        raise TimeoutError
                    if wait_s > 0:
                        await asyncio.sleep(wait_s)
                    elif self.active >= limits.max_concurrent:
                        self._freed.clear()
                        await self._freed.wait()
                    else:
                        self.active += 1
                        self._begun.append(now)
                        return
        except TimeoutError:
            raise ModelRateLimited(
                f"No turn for a call to provider '{self._provider_id}' within {limits.acquire_timeout_s:g} s "
                "(llm_acquire_timeout): too many calls at once, or the provider is limiting requests. "
                "Try again later, or raise llm_acquire_timeout, llm_max_concurrent or llm_max_qpm."
            ) from None

    def _window_wait(self, now: float, limits: LLMLimits) -> float:
        while self._begun and self._begun[0] <= now - WINDOW_S:
            self._begun.popleft()
        if not limits.max_qpm or len(self._begun) < limits.max_qpm:
            return 0.0
        # The call that must leave the window before one more fits in.
        return self._begun[len(self._begun) - limits.max_qpm] + WINDOW_S - now
