"""The schedule of an agent over its reloads and restarts, with real runs and leases."""

from __future__ import annotations

import asyncio

import pytest

from copaw.app.crons.cron_expression import parse_cron
from copaw.config.models.run_state import LastDispatchConfig
from copaw.errors import Conflict, EndReason, NotFound

pytestmark = pytest.mark.looptime


async def test_a_job_due_every_second_runs_1000_times_over_reloads_and_restarts(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(0.3)

    async def reload_for_ever() -> None:
        while True:
            await asyncio.sleep(0.7)
            await agent.reload()

    agent.play = play
    await agent.put(parse_cron("* * * * * *", "UTC", seconds=True))
    for _restart in range(10):
        await agent.start()
        reloads = asyncio.create_task(reload_for_ever())
        await asyncio.sleep(99.9)
        reloads.cancel()
        await agent.stop()
    await agent.start()
    await asyncio.sleep(1000.5 - (agent.clock.time() - agent.clock.epoch))
    await agent.stop()
    assert [int(turn) for turn in agent.turns] == list(range(1, 1001))
    assert agent.world.violations == []


async def test_a_run_keeps_its_generation_over_a_reload_and_has_a_lease_of_its_kind(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(30)

    agent.play = play
    await agent.put()
    await agent.start()
    await asyncio.sleep(61)
    (lease,) = agent.manager.slot("a").current.leases
    assert (lease.kind, lease.labels["session_id"], lease.labels["channel"]) == ("cron", "s", "memory")
    await agent.reload()
    slot = agent.manager.slot("a")
    assert slot.current.generation == 2
    assert [*slot.draining] == [1]
    await asyncio.sleep(31)
    assert not slot.draining
    assert (await agent.state()).last_status == "success"
    await agent.stop()


async def test_a_run_that_takes_too_long_is_ended_and_says_so(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(1000)

    agent.play = play
    await agent.put(runtime={"timeout_seconds": 10})
    await agent.start()
    await asyncio.sleep(75)
    state = await agent.state()
    assert (state.last_status, state.last_cause) == ("error", "timeout")
    assert state.last_error == "Ended because its time limit was reached. (10 s)"
    (record,) = await agent.schedule.history("j")
    assert (record.ended_at - record.started_at).total_seconds() == pytest.approx(10, abs=0.1)
    assert agent.notices == [("s", f"Scheduled job 'Job' failed: {state.last_error}")]
    await agent.stop()


@pytest.mark.parametrize("reason", [EndReason.USER_STOP, EndReason.AGENT_DISABLED, EndReason.SERVER_SHUTDOWN])
async def test_a_run_that_was_ended_says_why(agent, reason: EndReason) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(50)

    agent.play = play
    await agent.put()
    await agent.start()
    await asyncio.sleep(61)
    match reason:
        case EndReason.USER_STOP:
            (run,) = agent.manager.slot("a").tracker.active()
            run.stop(reason)
        case EndReason.AGENT_DISABLED:
            await agent.manager.stop_agent("a", reason)
        case _:
            await agent.stop(0.0)
    await asyncio.sleep(1)
    (record,) = await agent.schedule.history("j")
    assert (record.status, record.cause, record.error) == ("cancelled", reason, reason.sentence)
    await agent.stop()


async def test_a_shutdown_lets_a_run_end_within_the_grace_and_remembers_it(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(3)

    agent.play = play
    await agent.put()
    await agent.start()
    await asyncio.sleep(61)
    await agent.stop(25)
    await agent.start()
    assert (await agent.state()).last_status == "success"
    assert len(agent.turns) == 1
    await agent.stop()


async def test_the_answer_is_streamed_or_only_its_end_is_sent(agent, say) -> None:
    async def play(_turn, emit) -> None:
        say(emit, "hm", kind="reasoning")
        say(emit, "one")
        say(emit, "two")

    agent.play = play
    for mode, texts in (("stream", ["one", "two"]), ("final", ["two"])):
        target = {"user_id": "u", "session_id": "s"}
        await agent.put(dispatch={"channel": "memory", "target": target, "mode": mode})
        await agent.start()
        await agent.schedule.run_now("j")
        await asyncio.sleep(1)
        assert agent.sent == [("memory", "u", "s", text) for text in texts]
        agent.sent.clear()
        await agent.stop()


async def test_an_answer_that_cannot_be_sent_is_an_error_and_the_run_goes_on(agent, say) -> None:
    async def play(_turn, emit) -> None:
        say(emit, "one")

    agent.play, agent.offline = play, True
    await agent.put()
    await agent.start()
    await agent.schedule.run_now("j")
    await asyncio.sleep(1)
    state = await agent.state()
    assert state.last_status == "error"
    assert "was not sent: Channel 'memory' is not connected." in state.last_error
    await agent.stop()


async def test_an_agent_that_does_not_serve_is_not_due_and_says_so_when_asked(agent) -> None:
    await agent.put()
    await agent.start()
    await agent.manager.stop_agent("a", EndReason.AGENT_DISABLED)
    await asyncio.sleep(200)
    assert agent.turns == []
    await agent.schedule.run_now("j")
    await asyncio.sleep(0.1)
    assert "disabled" in (await agent.state()).last_error
    await agent.manager.start_agent("a")
    await asyncio.sleep(61)
    assert len(agent.turns) >= 1
    await agent.stop()


async def test_as_many_runs_as_allowed_and_no_more(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(10)

    agent.play = play
    await agent.put(runtime={"max_concurrency": 2})
    await agent.start()
    await agent.schedule.run_now("j")
    await agent.schedule.run_now("j")
    with pytest.raises(Conflict):
        await agent.schedule.run_now("j")
    assert (await agent.state()).running == 2
    await asyncio.sleep(21)
    assert (await agent.state()).running == 0
    await agent.stop()


async def test_what_is_deleted_runs_to_its_end_and_is_forgotten(agent) -> None:
    async def play(_turn, _emit) -> None:
        await asyncio.sleep(10)
        ended.append(True)

    ended: list[bool] = []
    agent.play = play
    await agent.put()
    await agent.start()
    await asyncio.sleep(61)
    await agent.schedule.delete("j")
    await asyncio.sleep(200)
    assert ended == [True]
    with pytest.raises(NotFound):
        await agent.state()
    await agent.stop()


# -- the heartbeat -------------------------------------------------------------------------------------------


async def wake_ups(agent) -> list[str]:
    states = agent.schedule._scheduler.states
    return [record.status for record in states["heartbeat"].history]


async def test_the_heartbeat_wakes_the_agent_in_its_interval_over_reloads(agent) -> None:
    texts: list[str] = []

    async def play(turn, _emit) -> None:
        texts.append(turn.input[0]["content"][0]["text"])

    agent.play = play
    agent.config.enabled, agent.config.every = True, "30m"
    await agent.start()
    for _ in range(6):
        await asyncio.sleep(601)
        await agent.reload()
    assert [round(turn) for turn in agent.turns] == [1800, 3600]
    assert texts == ["- look at the mail"] * 2
    assert agent.kinds == ["heartbeat"] * 2
    assert agent.sent == []
    await agent.stop()


async def test_the_heartbeat_keeps_to_its_hours_and_to_what_there_is_to_do(agent) -> None:
    agent.config = agent.config.model_validate(
        {"enabled": True, "every": "1h", "activeHours": {"start": "08:00", "end": "12:00"}}
    )
    await agent.start()  # at 08:00
    await asyncio.sleep(3 * 3600 + 1)
    assert await wake_ups(agent) == ["success"] * 3
    await asyncio.sleep(2 * 3600)
    assert await wake_ups(agent) == ["success"] * 3 + ["skipped"] * 2
    agent.config.activeHours = None
    agent.prompt = ""
    await asyncio.sleep(3600)
    assert agent.schedule._scheduler.states["heartbeat"].history[-1].error == "The heartbeat file says nothing to do."
    assert len(agent.turns) == 3
    await agent.stop()


async def test_the_heartbeat_answers_where_the_user_was_last(agent, say) -> None:
    async def play(turn, emit) -> None:
        say(emit, f"{turn.session_id} says hello")

    agent.play = play
    agent.config.enabled, agent.config.every, agent.config.target = True, "10m", "last"
    await agent.start()
    await asyncio.sleep(601)
    agent.last = LastDispatchConfig(channel="memory", user_id="u", session_id="s")
    await asyncio.sleep(600)
    assert agent.sent == [("memory", "u", "s", "main says hello")]
    await agent.stop()


async def test_a_changed_heartbeat_counts_from_now_without_a_reload(agent) -> None:
    agent.config.enabled, agent.config.every = True, "6h"
    await agent.start()
    await asyncio.sleep(100)
    agent.config.every = "10m"
    await agent.schedule.heartbeat_changed()
    await asyncio.sleep(601)
    assert [round(turn) for turn in agent.turns] == [700]
    assert agent.manager.slot("a").current.generation == 1
    await agent.stop()


async def test_a_heartbeat_that_cannot_be_understood_does_not_stop_the_jobs(agent) -> None:
    agent.config.enabled, agent.config.every = True, "sometimes"
    await agent.put()
    await agent.start()
    await asyncio.sleep(61)
    assert len(agent.turns) == 1
    await agent.stop()
