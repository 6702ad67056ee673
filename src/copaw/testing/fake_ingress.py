"""An agent's ingress without an outside world: a port that only one may hold, a queue of messages, a clock.

It keeps the promises of :class:`copaw.app.ingress.port.Ingress` and counts whether its user keeps the others: two
holders of a port, two hand-overs at once, a message or a due time that is handled twice or never.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from copaw.config.snapshot import AgentSnapshot
from copaw.errors import CopawError

Handle = Callable[[str], Awaitable[None]]
"""Takes one message or due time, by its id. Raises ``CopawError`` while the agent cannot take it."""


class FakePorts:
    """The exclusive resources of a machine."""

    def __init__(self, violations: list[str]) -> None:
        self.holders: dict[int, str] = {}
        self.binds = 0
        self._violations = violations

    def bind(self, port: int, who: str) -> None:
        holder = self.holders.get(port)
        if holder is not None:
            self._violations.append(f"invariant 8: port {port} is held by {holder} and bound again by {who}")
        self.holders[port] = who
        self.binds += 1

    def free(self, port: int) -> None:
        if self.holders.pop(port, None) is None:
            self._violations.append(f"invariant 8: port {port} is freed and was not held")


@dataclass(frozen=True, slots=True)
class IngressConfig:
    """What of an agent's configuration concerns its ingress.

    :param port: the exclusive resource, 0 for none.
    :param every_s: seconds between two due times of its timer, 0 for none.
    """

    port: int = 0
    every_s: float = 0.0


class FakeIngress:
    """The ingress of one agent.

    :param config_of: what a snapshot says about ingress.
    :param handle: brings one message or due time to the agent.
    :param connect_s: seconds that stopping and starting the port takes.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        config_of: Callable[[AgentSnapshot], IngressConfig],
        handle: Handle,
        ports: FakePorts,
        violations: list[str],
        connect_s: float = 0.0,
    ) -> None:
        self.agent_id = agent_id
        self.received: set[str] = set()
        self.due: set[str] = set()
        self.handled: Counter[str] = Counter()
        self.order: list[str] = []
        self.queue: deque[str] = deque()
        self.config: IngressConfig | None = None
        self.applies = 0
        self.closed = False
        self._config_of = config_of
        self._handle = handle
        self._ports = ports
        self._violations = violations
        self._connect_s = connect_s
        self._bound = 0
        self._busy = False
        self._news = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None

    # -- the port that a slot uses ---------------------------------------------------------------------------

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        if self._busy:
            self._violations.append(f"invariant 8: two hand-overs of {self.agent_id}'s ingress at once")
        if self.closed:
            self._violations.append(f"invariant 3: {self.agent_id}'s ingress is used after it was closed")
        self.applies += 1
        self._busy = True
        try:
            await self._match(self._config_of(snapshot) if snapshot is not None else None)
        finally:
            self._busy = False

    async def _match(self, wanted: IngressConfig | None) -> None:
        port = wanted.port if wanted is not None else 0
        if port != self._bound:
            if self._bound:
                self._ports.free(self._bound)
                self._bound = 0
            await asyncio.sleep(self._connect_s)
            if port:
                self._ports.bind(port, self.agent_id)
                self._bound = port
        every_s = wanted.every_s if wanted is not None else 0.0
        if every_s != (self.config.every_s if self.config is not None else 0.0):
            await self._end(self._timer)
            self._timer = self._spawn(self._tick(every_s), "timer") if every_s else None
        self.config = wanted
        if wanted is not None and self._worker is None:
            self._worker = self._spawn(self._work(), "queue")
        self._news.set()

    def refuse_new(self) -> None:
        """Nothing to do: what is due or received from here on is refused by the manager."""

    async def aclose(self) -> None:
        self.closed = True
        await self._end(self._timer)
        await self._end(self._worker)
        self._timer = self._worker = None
        if self._bound:
            self._ports.free(self._bound)
            self._bound = 0

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"ingress:{self.agent_id}:{what}")

    async def _end(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    # -- what comes from outside -----------------------------------------------------------------------------

    def receive(self, message_id: str) -> None:
        """A message came in. The same id twice is the same message."""
        if message_id not in self.received:
            self.received.add(message_id)
            self.queue.append(message_id)
            self._news.set()

    async def _tick(self, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        next_tick = int(loop.time() / every_s) + 1
        while True:
            await asyncio.sleep(next_tick * every_s - loop.time())
            due = f"cron:{self.agent_id}:{every_s:g}:{next_tick}"
            self.due.add(due)
            self.receive(due)
            next_tick += 1

    async def _work(self) -> None:
        while True:
            self._news.clear()
            while self.queue and await self._taken(self.queue[0]):
                self.queue.popleft()
            await self._news.wait()

    async def _taken(self, message_id: str) -> bool:
        """Whether the agent took it. What it did not take stays first in the queue."""
        try:
            await self._handle(message_id)
        except CopawError:
            return False
        self.handled[message_id] += 1
        self.order.append(message_id)
        return True
