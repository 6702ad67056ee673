"""Ingress, stops, the configuration on disk and memory: stories about what stands around the runs of an agent."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from pathlib import Path

import pytest

from copaw.app.reloads.outcome import Outcome
from copaw.app.runner.task_tracker import RunStatus
from copaw.app.workspace import WorkspaceState
from copaw.config.changes import ConfigChange
from copaw.config.store import ConfigStore
from copaw.errors import AgentDisabled, AgentNotFound, EndReason
from copaw.testing.fake_ingress import IngressConfig
from copaw.testing.fake_runs import Manner, Plan
from copaw.testing.home import fresh_home
from copaw.testing.stage import Stage

virtual = pytest.mark.looptime


# -- ingress -------------------------------------------------------------------------------------------------------


@virtual
async def test_messages_and_due_times_in_the_very_ticks_of_reloads_are_handled_once_and_in_order() -> None:
    stage = Stage("a")
    stage.world.configure("a", ingress=IngressConfig(port=1, every_s=0.1))

    async def deliver(_message: str) -> None:
        await stage.runs.start("a", Plan(steps=1, step_s=0.01), kind="channel")

    ingress = stage.world.bring("a", deliver, connect_s=0.02)
    await stage.begin()
    for number in range(200):
        ingress.receive(f"m{number}")
        if number % 3 == 0:
            stage.edit("a", ingress=IngressConfig(port=1 + number % 2, every_s=0.1))
            stage.manager.request_reload("a")
        await asyncio.sleep(0.007)
    await asyncio.sleep(1)
    assert ingress.due
    assert ingress.handled == Counter(ingress.received)
    mail = [message for message in ingress.order if message.startswith("m")]
    assert mail == [f"m{number}" for number in range(200)]
    await stage.end()


@virtual
async def test_a_reload_that_changes_nothing_of_the_ingress_does_not_reconnect_it() -> None:
    stage = Stage("a")
    stage.world.configure("a", ingress=IngressConfig(port=1))

    async def ignore(_message: str) -> None:
        return None

    stage.world.bring("a", ignore)
    await stage.begin()
    await asyncio.sleep(0)
    for _ in range(20):
        assert await stage.reload() is Outcome.SWAPPED
    assert stage.world.ports.binds == 1
    await stage.end()


@virtual
async def test_a_candidate_that_fails_has_not_touched_the_ingress() -> None:
    stage = Stage("a")
    stage.world.configure("a", ingress=IngressConfig(port=1))

    async def ignore(_message: str) -> None:
        return None

    stage.world.bring("a", ignore)
    await stage.begin()
    await asyncio.sleep(0)
    assert await stage.reload(ingress=IngressConfig(port=2), build_s=0.1, build_error="refused") is Outcome.FAILED
    await asyncio.sleep(1)
    assert stage.world.ports.holders == {1: "a"}
    assert stage.world.ports.binds == 1
    await stage.end()


@virtual
async def test_a_disabled_agent_lets_go_of_its_port_even_while_a_build_hangs() -> None:
    stage = Stage("a")
    stage.world.configure("a", ingress=IngressConfig(port=1))

    async def ignore(_message: str) -> None:
        return None

    stage.world.bring("a", ignore)
    await stage.begin()
    stage.edit("a", hang=True)
    stage.manager.request_reload("a")
    await asyncio.sleep(1)
    await stage.manager.stop_agent("a", EndReason.AGENT_DISABLED)
    await asyncio.sleep(0.1)
    assert stage.world.ports.holders == {}
    await stage.end()


# -- stopping ------------------------------------------------------------------------------------------------------


@virtual
@pytest.mark.parametrize("moment", ["reload", "drain", "unwinding"])
@pytest.mark.parametrize(
    ("reason", "refusal"), [(EndReason.AGENT_DISABLED, AgentDisabled), (EndReason.AGENT_DELETED, AgentNotFound)]
)
async def test_stopping_and_bringing_back_at_any_moment_serves_only_the_newest(
    moment: str, reason: EndReason, refusal: type[Exception]
) -> None:
    stage = Stage("a", unwind_s=5.0)
    await stage.begin()
    old = stage.current()
    run = await stage.runs.start("a", Plan(Manner.SLOW_UNWIND, steps=1000, step_s=1.0, tail_s=2.0))
    match moment:
        case "reload":
            stage.edit("a", build_s=3.0)
            stage.manager.request_reload("a")
            await asyncio.sleep(1)
        case "drain":
            await stage.reload()
        case "unwinding":
            await stage.reload(grace_s=0.0)
            await asyncio.sleep(1)
    await stage.manager.stop_agent("a", reason)
    with pytest.raises(refusal):
        stage.manager.acquire("a", "stream")
    stage.edit("a", value=70, build_s=0.0)
    report = await stage.manager.start_agent("a")
    assert report.outcome is Outcome.SWAPPED
    assert stage.current().snapshot.revision == 70
    last = await run.wait_end()
    await old.wait_closed()
    expected = EndReason.RELOAD_GRACE_EXPIRED if moment == "unwinding" else reason
    assert last["error"]["reason"] == run.lease.end_reason == expected
    await asyncio.sleep(10)
    assert stage.world.open_now == ["a:70"]
    assert stage.manager.slot("a").draining == {}
    await stage.end()


@virtual
async def test_a_shutdown_lets_work_of_every_generation_end_within_its_grace() -> None:
    stage = Stage("a")
    await stage.begin()
    runs = []
    for _ in range(3):
        runs.append(await stage.runs.start("a", Plan(steps=4, step_s=1.0)))
        await stage.reload()
    await stage.manager.stop_all(10.0)
    assert {run.status for run in runs} == {RunStatus.COMPLETED}
    assert all(run.lease.end_reason is None for run in runs)
    await stage.end()


# -- the real configuration ----------------------------------------------------------------------------------------


async def test_two_edits_of_different_sections_at_once_are_both_kept(tmp_path: Path) -> None:
    config = ConfigStore(await asyncio.to_thread(fresh_home, tmp_path))
    await config.load()
    await asyncio.gather(
        config.patch_agent("default", lambda profile: setattr(profile.running, "max_iters", 7)),
        config.patch_agent("default", lambda profile: setattr(profile, "description", "kept")),
    )
    again = ConfigStore(config.paths)
    await again.load()
    assert (again.agent("default").running.max_iters, again.agent("default").description) == (7, "kept")


async def test_writing_where_the_user_was_last_heard_is_no_change_of_the_configuration(tmp_path: Path) -> None:
    config = ConfigStore(await asyncio.to_thread(fresh_home, tmp_path))
    await config.load()
    told: list[ConfigChange] = []
    config.subscribe(told.append)
    before = (config.digest("default"), config.revision("default"))
    await config.record_last_dispatch("default", channel="console", user_id="u", session_id="s")
    assert (config.digest("default"), config.revision("default")) == before
    assert not await config.reread_agent("default")
    assert not await config.reread_root()
    assert told == []


# -- memory --------------------------------------------------------------------------------------------------------


@virtual
@pytest.mark.timeout(120)
async def test_a_thousand_reloads_and_a_thousand_finished_runs_leave_memory_flat(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "copaw")  # pytest keeps every record that it sees
    stage = Stage("a")
    await stage.begin()

    async def round_of(count: int) -> int:
        for _ in range(count):
            run = await stage.runs.start("a", Plan(steps=1))
            await stage.reload(value=stage.world.configs["a"].value % 3 + 1)
            await run.wait_end()
        await asyncio.sleep(1)
        stage.runs.forget()
        stage.world.built_values.clear()
        gc.collect()
        return len(gc.get_objects())

    before = await round_of(100)
    after = await round_of(1000)
    assert after - before < 200
    assert stage.manager.slot("a").generations() == [stage.current()]
    assert stage.manager.slot("a").tracker.active() == []
    assert stage.current().state is WorkspaceState.SERVING
    await stage.end()
