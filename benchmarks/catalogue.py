"""What is measured, and what it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity.

    :param goal: the value to stay below, or above if ``more`` is better; ``None`` for a number that only explains
        another one.
    """

    name: str
    title: str
    unit: str
    goal: float | None = None
    more: bool = False

    def met(self, value: float) -> bool | None:
        """Whether ``value`` reaches the goal; ``None`` without one."""
        if self.goal is None:
            return None
        return value > self.goal if self.more else value < self.goal


_ALL = (
    Measure("cli.help", "copaw --help", "s", 0.25),
    Measure("cli.chat", "copaw agents chat, there and back", "s", 0.5),
    Measure("start.healthz", "start until /healthz answers", "s", 1.0),
    Measure("start.ready", "start until an agent has answered", "s", 4.0),
    Measure("memory.idle", "memory, ready and idle", "MB", 150.0),
    Measure("memory.chats", "memory after 200 chats", "MB"),
    Measure("memory.agent", "memory for each further agent", "MB", 2.0),
    Measure("memory.draining", "memory for each idle draining generation", "MB", 1.0),
    Measure("latency.first_event", "first event after the request", "ms", 5.0),
    Measure("latency.request_to_text", "first text after the request", "ms"),
    Measure("latency.first_text", "first text after the model's first byte", "ms", 12.0),
    Measure("latency.whole_chat", "a whole chat of one word", "ms"),
    Measure("token.wall", "each streamed token, end to end", "ms", 0.15),
    Measure("token.cpu", "each streamed token, server's processor time", "ms"),
    Measure("throughput.chats", "chats of 50 tokens, 10 at once", "1/s", 80.0, more=True),
    Measure("throughput.chat_cpu", "such a chat, server's processor time", "ms"),
    Measure("throughput.tasks", "short background tasks, 10 submitters", "1/s", 120.0, more=True),
    Measure("throughput.task_cpu", "such a task, server's processor time", "ms"),
    Measure("history.list", "10,000 finished tasks: the newest 50, p95", "ms", 20.0),
    Measure("history.oldest", "the oldest 50 of them, p95", "ms", 20.0),
    Measure("history.filtered", "the newest 50 failed ones of an agent, p95", "ms", 20.0),
    Measure("history.show", "one of them, p95", "ms", 20.0),
    Measure("history.events", "its events, p95", "ms", 20.0),
    Measure("history.status", "its status in the shape of 1.0.2, p95", "ms", 20.0),
    Measure("history.growth", "memory growth over the next 2,000 tasks (quick: 1,000)", "MB", 5.0),
    Measure("listeners.first_event", "first event beside 100 idle listeners, to without", "ratio", 1.2),
    Measure("listeners.memory", "memory for each listener that does not read", "MB", 2.0),
    Measure("reload.quiet_p99", "first event p99, quiet", "ms"),
    Measure("reload.busy_p99", "first event p99, a reload every 100 ms", "ms"),
    Measure("reload.ratio", "the same, to quiet", "ratio", 1.2),
    Measure("lease.set", "lease: acquire and release", "us", 2.0),
    Measure("lease.manager", "the same through MultiAgentManager", "us", 2.0),
    Measure("swap.p50", "swap, the synchronous step", "us"),
    Measure("swap.p99", "swap p99", "us", 100.0),
    Measure("reload.duration", "an edit until new runs use it, settling not counted", "ms", 1000.0),
    Measure("loop.quiet", "longest block of the event loop, quiet", "ms"),
    Measure("loop.reload", "longest block of the event loop by a reload", "ms", 10.0),
    Measure("release.closed", "last release to closed", "ms", 50.0),
    Measure("reloads.growth", "memory growth over 1,000 reloads", "MB", 5.0),
    Measure("reloads.files", "open files more after 1,000 reloads", "", 1.0),
    Measure("reloads.threads", "threads more after 1,000 reloads", "", 1.0),
    Measure("reloads.tasks", "asyncio tasks more after 1,000 reloads", "", 1.0),
    Measure("agents200.ready", "200 agents: start until one has answered", "s", 4.0),
    Measure("agents200.idle", "200 agents: memory, ready and idle", "MB", 170.0),
)

MEASURES = {measure.name: measure for measure in _ALL}
