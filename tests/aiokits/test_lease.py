"""A lease set counts truly, says who holds on, and admits only whom its gate lets through."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from copaw.aiokits.lease import Gate, Lease, LeaseRefused, LeaseSet


def test_acquiring_is_one_step_without_an_await() -> None:
    assert not inspect.iscoroutinefunction(LeaseSet.acquire)
    assert not inspect.iscoroutinefunction(Lease.release)
    assert not inspect.iscoroutinefunction(Lease.end)


async def test_waiting_returns_when_the_last_lease_is_released() -> None:
    leases = LeaseSet()
    first, second = leases.acquire("stream"), leases.acquire("task")
    waiting = asyncio.ensure_future(leases.wait_empty())
    first.release()
    await asyncio.sleep(0)
    assert not waiting.done()
    second.release()
    await waiting


async def test_waiting_on_a_set_that_was_never_used_returns_at_once() -> None:
    await LeaseSet().wait_empty()


async def test_a_second_release_is_harmless_and_counted() -> None:
    leases = LeaseSet()
    held, other = leases.acquire("stream"), leases.acquire("stream")
    held.release()
    held.release()
    assert leases.statistics().double_releases == 1
    assert list(leases) == [other]


async def test_the_first_end_reason_stays() -> None:
    asked: list[str] = []
    lease = LeaseSet().acquire("task")
    lease.bind(asked.append)
    assert lease.end("timeout")
    assert not lease.end("user_stop")
    assert (lease.end_reason, asked) == ("timeout", ["timeout"])


async def test_a_holder_that_binds_after_the_end_is_told_at_once() -> None:
    asked: list[str] = []
    lease = LeaseSet().acquire("task")
    lease.end("server_shutdown")
    lease.bind(asked.append)
    assert asked == ["server_shutdown"]


async def test_a_released_lease_cannot_be_ended() -> None:
    lease = LeaseSet().acquire("task")
    lease.release()
    assert not lease.end("timeout")
    assert lease.end_reason is None


async def test_abandoning_tells_the_holder_and_releases_for_it() -> None:
    leases = LeaseSet()
    told: list[bool] = []
    lease = leases.acquire("task")
    lease.bind(lambda _reason: None, lambda: told.append(lease.released))
    leases.abandon(lease)
    leases.abandon(lease)
    assert told == [False]
    assert (len(leases), leases.statistics().abandoned) == (0, 1)


class LeaseMachine(RuleBasedStateMachine):
    """Any order of acquire, child, release, end, abandon and gate changes keeps the books true."""

    leases: Bundle[Lease] = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.set = LeaseSet(clock=lambda: 0.0)
        self.live: set[Lease] = set()
        self.acquired = self.doubles = self.abandoned = 0

    def _admit(self, expected: bool, parent: Lease | None) -> Lease | None:
        if not expected:
            with pytest.raises(LeaseRefused):
                self.set.acquire("stream", parent=parent)
            return None
        lease = self.set.acquire("stream", parent=parent)
        self.live.add(lease)
        self.acquired += 1
        return lease

    @rule(target=leases)
    def acquire(self) -> Lease:
        lease = self._admit(self.set.gate is Gate.OPEN, None)
        return lease or LeaseSet().acquire("elsewhere")

    @rule(target=leases, parent=leases)
    def acquire_child(self, parent: Lease) -> Lease:
        admitted = self.set.gate is Gate.OPEN or (self.set.gate is Gate.CHILDREN and parent in self.live)
        return self._admit(admitted, parent) or LeaseSet().acquire("elsewhere")

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        if lease._set is self.set:
            self.doubles += lease.released
            self.live.discard(lease)
            lease.release()

    @rule(lease=consumes(leases))
    def abandon(self, lease: Lease) -> None:
        if lease._set is self.set:
            self.abandoned += lease in self.live
            self.live.discard(lease)
            self.set.abandon(lease)

    @rule(lease=leases, reason=st.sampled_from(["timeout", "user_stop"]))
    def end(self, lease: Lease, reason: str) -> None:
        before = lease.end_reason
        changed = lease.end(reason)
        assert changed == (before is None and not lease.released)
        assert lease.end_reason == (reason if changed else before)

    @rule(gate=st.sampled_from(Gate))
    def move_gate(self, gate: Gate) -> None:
        self.set.gate = gate

    @invariant()
    def books_are_true(self) -> None:
        counts = self.set.statistics()
        assert set(self.set) == self.live
        assert counts.acquired == counts.released + counts.live == self.acquired
        assert (counts.double_releases, counts.abandoned) == (self.doubles, self.abandoned)
        assert self.set._empty.is_set() == (not self.live)


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
