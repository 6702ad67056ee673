"""Virtual time: an event loop that never sleeps, and lets somebody look after every single step.

When nothing is ready to run, the clock jumps to the next timer. Every step costs a microsecond, as on a real
machine, so that a loop which waits for "now" ends. There is no I/O and there are no threads, so the same program
always takes the same steps.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STEP_S = 1e-6
LONGEST_JUMP_S = 1e6
_ROUNDS_TO_END = 50


class NothingLeftToDo(AssertionError):
    """Everybody waits and no timer is set: what is awaited never comes."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time.

    :param on_step: called between any two rounds of callbacks; what it raises ends the run.
    """

    def __init__(self, on_step: Callable[[], None] | None = None) -> None:
        self.virtual_now_s = 0.0
        self.on_step = on_step
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.virtual_now_s

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end. May be called again."""
        return self.run_until_complete(work)

    def end(self) -> list[str]:
        """Cancel what is left, close the loop, and name what would not end."""
        self.on_step = None
        for _ in range(_ROUNDS_TO_END):
            left = asyncio.all_tasks(self)
            if not left:
                break
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=1.0))
        stuck = [task.get_name() for task in asyncio.all_tasks(self)]
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()
        return stuck


class _JumpingSelector(selectors.SelectSelector):
    """Where the loop would block, its clock jumps."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if loop.on_step is not None:
            loop.on_step()
        if timeout is None:
            raise NothingLeftToDo(f"at {loop.virtual_now_s:g} s everybody waits and no timer is set")
        loop.virtual_now_s += STEP_S + min(max(timeout, 0.0), LONGEST_JUMP_S)
        return []


def run_virtual(work: Coroutine[Any, Any, T], on_step: Callable[[], None] | None = None) -> T:
    """Run ``work`` on a virtual-time loop of its own.

    :raises BaseException: what ``work`` or ``on_step`` raised.
    """
    loop = VirtualTimeLoop(on_step)
    try:
        return loop.run(work)
    finally:
        loop.end()
