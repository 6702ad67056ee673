"""What operators scrape: ``GET /metrics`` in Prometheus's text format."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from copaw.app.agent_slot import AgentSlot
from copaw.app.background.records import TaskState
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.process_info import resident_bytes
from copaw.app.reloads.outcome import ReloadOutcome
from copaw.app.workspace import Workspace

TaskTally = Tally[tuple[str, TaskState]]
"""Numbers of tasks by agent and state."""
_DRAIN_BUCKETS = (0.05, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class LifecycleMetrics:
    """Counts what happens to agents. One registry a server, nothing global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reloads = Counter("copaw_reloads", "Reloads by outcome.", ["agent", "outcome"], registry=self.registry)
        self._drains = Histogram(
            "copaw_drain_seconds",
            "From retired to closed.",
            ["agent"],
            buckets=_DRAIN_BUCKETS,
            registry=self.registry,
        )
        self._expired = Counter(
            "copaw_expired_leases",
            "Leases that were ended with a recorded cause.",
            ["agent", "cause"],
            registry=self.registry,
        )
        self._bugs = Counter(
            "copaw_lease_bugs", "Leases released twice or abandoned.", ["agent", "bug"], registry=self.registry
        )

    def reloaded(self, agent_id: str, report: ReloadOutcome) -> None:
        """A reload has its outcome."""
        self._reloads.labels(agent_id, report.outcome.value).inc()

    def closed(self, workspace: Workspace) -> None:
        """A generation is closed."""
        if workspace.retired_at is not None:
            self._drains.labels(workspace.agent_id).observe(workspace.clock() - workspace.retired_at)
        for cause in workspace.expired_causes:
            self._expired.labels(workspace.agent_id, cause).inc()
        counts = workspace.leases.statistics()
        for bug, count in (("double_release", counts.double_releases), ("abandoned", counts.abandoned)):
            if count:
                self._bugs.labels(workspace.agent_id, bug).inc(count)

    def watch(self, manager: MultiAgentManager) -> None:
        """Show the present leases and generations of a manager's agents too."""
        self.registry.register(_Present(manager))

    def watch_tasks(self, counts: Callable[[], tuple[TaskTally, TaskTally]]) -> None:
        """Show tasks too: those under way, and those that have ended since the start."""
        self.registry.register(_Tasks(counts))

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)


class _Present(Collector):
    """Gauges read from the slots when they are asked for."""

    def __init__(self, manager: MultiAgentManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        slots = list(self._manager.slots())
        yield _leases(slots)
        yield _generations(slots)
        memory = GaugeMetricFamily("copaw_resident_memory_bytes", "Resident memory of the server.")
        memory.add_metric([], resident_bytes())
        yield memory


class _Tasks(Collector):
    """Numbers kept in memory, so that a scrape costs the ledger nothing."""

    def __init__(self, counts: Callable[[], tuple[TaskTally, TaskTally]]) -> None:
        self._counts = counts

    def describe(self) -> Iterator[Metric]:
        """The names alone; there may be no task service yet."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        present, ended = _families()
        under_way, over = self._counts()
        for (agent_id, state), count in under_way.items():
            # A task whose end is not stored yet counts with the ended ones only.
            if not state.terminal:
                present.add_metric([agent_id, state.value], count)
        for (agent_id, state), count in over.items():
            ended.add_metric([agent_id, state.value], count)
        yield present
        yield ended


def _families() -> tuple[GaugeMetricFamily, CounterMetricFamily]:
    labels = ["agent", "state"]
    return (
        GaugeMetricFamily("copaw_tasks", "Background tasks that have not ended.", labels=labels),
        CounterMetricFamily("copaw_tasks_ended", "Background tasks that have ended.", labels=labels),
    )


def _leases(slots: Iterable[AgentSlot]) -> Metric:
    family = GaugeMetricFamily("copaw_leases", "Live leases.", labels=["agent", "kind"])
    tally = Tally(
        (slot.agent_id, lease.kind) for slot in slots for workspace in slot.generations() for lease in workspace.leases
    )
    for (agent_id, kind), count in tally.items():
        family.add_metric([agent_id, kind], count)
    return family


def _generations(slots: Iterable[AgentSlot]) -> Metric:
    family = GaugeMetricFamily("copaw_generations", "Generations that are not closed.", labels=["agent", "state"])
    tally = Tally((slot.agent_id, workspace.state.value) for slot in slots for workspace in slot.generations())
    for (agent_id, state), count in tally.items():
        family.add_metric([agent_id, state], count)
    return family
