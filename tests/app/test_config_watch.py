"""Edits on disk are taken over; our own writes do not echo; a bad edit leaves the watch armed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from copaw.app.agent_admin import CreateAgentRequest, create_agent
from copaw.app.agent_slot import AgentSlot
from copaw.app.reloads.outcome import Outcome
from copaw.app.services import Services, open_services
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        await services.watching.wait()
        yield services


def slot(services: Services, agent_id: str = "default") -> AgentSlot:
    return services.manager.slot(agent_id)


def generation(services: Services, agent_id: str = "default") -> int:
    current = slot(services, agent_id).current
    return current.generation if current is not None else 0


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


async def test_an_edit_of_agent_json_reloads_the_agent(services: Services) -> None:
    edit(services.generations.files("default").agent_file, description="edited by hand")
    await eventually(lambda: generation(services) == 2, "generation 2")
    assert services.config.agent("default").description == "edited by hand"
    last = slot(services).revisions.last
    assert last is not None
    assert last.changed == ["description"]


async def test_a_bad_edit_shows_and_the_next_good_one_is_taken(services: Services) -> None:
    path = services.generations.files("default").agent_file
    good = path.read_text()
    path.write_text(good[:100])
    await eventually(lambda: slot(services).revisions.last.outcome is Outcome.FAILED, "a failed reload")  # type: ignore[union-attr]
    last = slot(services).revisions.last
    assert last is not None
    assert "agent.json" in (last.error or "")
    run = await services.runner.start(request("say still serving"), "default", kind="stream")
    assert (await run.wait_end())["status"] == "completed"
    path.write_text(good.replace('"max_iters": 100', '"max_iters": 7'))
    await eventually(lambda: generation(services) == 2, "generation 2")
    assert services.config.agent("default").running.max_iters == 7


async def test_our_own_writes_and_run_time_state_do_not_echo(services: Services) -> None:
    reloads = services.config.revision("default")
    await services.config.patch_agent("default", lambda agent: setattr(agent, "description", "by the API"))
    await services.manager.reload_agent("default")
    await services.config.record_last_dispatch("default", channel="console", user_id="u", session_id="s")
    wanted = slot(services).revisions.wanted
    # An edit that comes later has been noticed: whatever came before it would have been noticed too.
    edit(services.generations.files("default").agent_file, description="by hand")
    await eventually(lambda: generation(services) == 3, "generation 3")
    assert slot(services).revisions.wanted == wanted + 1
    assert services.config.revision("default") == reloads + 2


async def test_agents_added_disabled_and_removed_in_config_json_follow(services: Services, tmp_path: Path) -> None:
    path = services.paths.config_file
    root = json.loads(path.read_text())
    source = services.generations.files("default").agent_file
    other = tmp_path / "other"
    other.mkdir()
    (other / "agent.json").write_text(json.dumps({**json.loads(source.read_text()), "id": "other", "name": "Other"}))
    profiles = root["agents"]["profiles"]
    profiles["other"] = {"id": "other", "workspace_dir": str(other), "enabled": True}
    path.write_text(json.dumps(root))
    await eventually(lambda: services.manager.knows("other") and generation(services, "other") == 1, "the new agent")
    profiles["other"]["enabled"] = False
    path.write_text(json.dumps(root))
    await eventually(lambda: slot(services, "other").state == "disabled", "the agent disabled")
    del profiles["other"]
    path.write_text(json.dumps(root))
    await eventually(lambda: slot(services, "other").state == "deleted", "the agent gone")
    assert generation(services) == 1


async def test_a_file_of_an_agent_that_came_later_is_watched_too(services: Services) -> None:
    ref = await create_agent(services, CreateAgentRequest(name="Later"))
    await services.manager.start_agent(ref.id)
    edit(services.generations.files(ref.id).agent_file, description="edited by hand")
    await eventually(lambda: generation(services, ref.id) == 2, "generation 2")
