"""Commands on the agent: its model, its state, its configuration."""

from __future__ import annotations

import asyncio

import pytest

from copaw.providers.models import ModelInfo


@pytest.fixture
def scripted(talk):
    """A provider that can be chosen; nobody asks it anything."""
    models = [ModelInfo(id="org/small:7b", name="Small"), ModelInfo(id="big", name="Big")]
    talk.services.providers.add_custom("own", "Own", base_url="http://127.0.0.1:9/v1", api_key="k", models=models)
    return talk


async def test_the_model_is_shown_with_who_chose_it(scripted):
    assert "Model: demo:demo (nobody has chosen one yet)." in await scripted.say("/model")
    await asyncio.to_thread(scripted.services.providers.set_active, "own", "big")
    assert "Model: own:big (chosen for all agents)." in await scripted.say("/model")
    await scripted.say("/model own:org/small:7b")
    assert "Model: own:org/small:7b (chosen for this agent)." in await scripted.say("/model")


async def test_models_that_can_be_used_are_listed_as_they_are_chosen(scripted):
    lines = (await scripted.say("/model list")).splitlines()
    assert {"- own:org/small:7b", "- own:big", "- demo:demo"} <= {*lines}
    assert not any(line.startswith("- openai:") for line in lines)
    assert "further providers have no key or no model yet" in lines[-1]


@pytest.mark.parametrize("choice", ["own:org/small:7b", "own/org/small:7b"])
async def test_a_model_is_chosen_for_the_agent_and_counts_at_once(scripted, choice):
    run = await scripted.running()
    answer = await scripted.say(f"/model {choice}")
    assert answer == "From the next message on this agent uses own:org/small:7b."
    current = scripted.services.manager.slot("default").current
    assert (current.generation, current.snapshot.model.model) == (2, "org/small:7b")
    assert scripted.services.config.agent("default").active_model.provider_id == "own"
    assert not run.status.terminal
    assert (await scripted.say(f"/model {choice}")) == answer
    assert scripted.generation == 2
    await scripted.end(run)


@pytest.mark.parametrize(
    ("choice", "code", "told"),
    [
        ("big", "BAD_INPUT", "names no model"),
        ("own:huge", "BAD_INPUT", "has no model 'huge'"),
        ("nobody:big", "NOT_FOUND", "no model provider 'nobody'"),
        ("openai:gpt-5", "BAD_INPUT", "key"),
    ],
)
async def test_a_model_that_cannot_be_used_is_refused_and_nothing_changes(scripted, choice, code, told):
    response = await scripted.response(f"/model {choice}")
    assert (response["status"], response["error"]["code"]) == ("failed", code)
    assert told in response["error"]["message"]
    assert scripted.services.config.agent("default").active_model is None
    assert scripted.generation == 1


async def test_the_status_tells_generations_runs_and_the_last_reload(talk):
    run = await talk.running()
    await talk.configure(lambda profile: setattr(profile.running, "max_iters", 7))
    await talk.services.manager.reload_agent("default")
    lines = (await talk.say("/daemon status")).splitlines()
    assert lines[0] == "Agent 'default': serving, generation 2."
    assert lines[1].startswith("- Model: demo:demo")
    assert lines[2] == "- Runs under way: 1, 1 of them in this conversation."
    assert lines[3] == "- Generation 1 finishes its work (leases: 1)."
    assert "Generation 2 serves" in lines[4]
    assert "running.max_iters" in lines[4]
    await talk.end(run)


@pytest.mark.parametrize("text", ["/restart", "/reload-config", "/daemon restart", "/daemon reload-config"])
async def test_a_reload_takes_what_is_on_disk_and_does_not_wait_for_itself(talk, text):
    run = await talk.running()
    path = talk.workspace / "agent.json"
    path.write_text(path.read_text().replace('"max_iters": 100', '"max_iters": 99'))
    answer = await talk.say(text)
    assert answer.startswith("Generation 2 serves, after ")
    assert "Changed: running.max_iters." in answer
    assert talk.generation == 2
    assert not run.status.terminal
    assert await talk.say(text) == "The configuration has not changed; generation 2 serves on."
    await talk.end(run)


async def test_a_reload_that_fails_says_why(talk):
    path = talk.workspace / "agent.json"
    path.write_text(path.read_text().replace('"max_iters": 100', '"max_iters": 0'))
    answer = await talk.say("/restart")
    assert answer.startswith("The configuration cannot be applied, and generation 1 serves on.")
    assert "max_iters" in answer


async def test_a_reload_that_must_wait_says_so_at_once(talk):
    await talk.configure(lambda profile: setattr(profile.running, "max_draining", 1))
    await talk.services.manager.reload_agent("default")
    run = await talk.running()
    for iters in (7, 8):
        await talk.configure(lambda profile, iters=iters: setattr(profile.running, "max_iters", iters))
        answer = await talk.say("/restart")
    assert answer.startswith("The reload waits.")
    await talk.end(run)
