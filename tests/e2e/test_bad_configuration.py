"""Bad values and broken files: the error names the field, the last good generation serves on, nothing is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from copaw.config.home import make_agent_workspace, make_home
from copaw.config.models import new_profile
from copaw.paths import Paths
from copaw.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

BAD_CHANGES = [
    ("/agent/running-config", {"max_iters": 0}, "max_iters"),
    ("/agent/running-config", {"reload_grace_seconds": -1}, "reload_grace_seconds"),
    ("/agent/running-config", {"context_compact": {"memory_compact_ratio": 2}}, "context_compact.memory_compact_ratio"),
    ("/agents/{agent}", {"running": {"max_iters": "many"}}, "running.max_iters"),
    ("/agents/{agent}", {"id": "another"}, "id"),
    ("/config/channels", {"console": {"enabled": "perhaps"}}, "console.enabled"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD_CHANGES, ids=[field for _, _, field in BAD_CHANGES])
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    server: RunningServer, agent: str, path: str, body: Any, field: str
) -> None:
    path = path.format(agent=agent)
    before = await server.call("GET", path, agent_id=agent)
    file = server.workspace(agent) / "agent.json"
    content = file.read_bytes()
    answer = await server.call("PUT", path, body, agent_id=agent, status=422)
    assert answer["error"]["field"].endswith(field), answer
    assert field.rpartition(".")[2] in answer["detail"]
    assert await server.call("GET", path, agent_id=agent) == before
    assert file.read_bytes() == content
    assert await server.settled(agent) == 1
    assert await server.ask("say on", agent_id=agent) == "on"


BROKEN_FILES = [
    ('{"id": "x", "name": ', ""),
    ('{"id": "AGENT", "name": "Of a test", "running": {"max_iters": "many"}}', "running.max_iters"),
]


@pytest.mark.parametrize(("content", "field"), BROKEN_FILES, ids=["no JSON", "a bad field"])
async def test_a_broken_file_fails_the_reload_and_is_never_written_over(
    server: RunningServer, agent: str, content: str, field: str
) -> None:
    file = server.workspace(agent) / "agent.json"
    good = file.read_bytes()
    broken = content.replace("AGENT", agent)
    file.write_text(broken)
    outcome = await server.call("POST", f"/agents/{agent}/reload?wait=true")
    assert (outcome["outcome"], outcome["generation"]) == ("failed", 1)
    assert str(file) in outcome["error"]
    assert field in outcome["error"]
    done = await server.cli("agents", "reload", agent, "--wait")
    assert done.returncode == 1
    assert str(file) in done.stdout + done.stderr
    assert await server.ask("say on", agent_id=agent) == "on"
    refused = await server.send("PUT", "/agent/running-config", {"max_iters": 20}, agent_id=agent)
    assert refused.status_code == 500
    assert str(file) in refused.json()["detail"]
    assert file.read_text() == broken
    listed = {one["id"]: one for one in (await server.call("GET", "/agents"))["agents"]}
    assert str(file) in listed[agent]["problem"]
    file.write_bytes(good.replace(b'"max_iters": 100', b'"max_iters": 90'))
    mended = await server.call("POST", f"/agents/{agent}/reload?wait=true")
    # Who watches the file may have been quicker; then nothing is left to swap.
    assert (mended["outcome"] in ("swapped", "unchanged"), mended["generation"]) == (True, 2)
    assert (await server.call("GET", "/agent/running-config", agent_id=agent))["max_iters"] == 90
    await server.call("PUT", "/agent/running-config", {"max_iters": 20}, agent_id=agent)


async def test_an_edit_on_disk_is_noticed_and_kept(server: RunningServer, agent: str) -> None:
    file = server.workspace(agent) / "agent.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "description": "Edited.", "of_another_version": {"kept": True}}))
    swapped = await server.wait_lifecycle(lambda found: found["generation"] == 2, agent, within_s=5)
    assert swapped["last_reload"]["outcome"] == "swapped"
    assert "description" in swapped["last_reload"]["changed"]
    assert (await server.call("GET", f"/agents/{agent}"))["description"] == "Edited."
    await server.call("PUT", "/agent/running-config", {"max_iters": 33}, agent_id=agent)
    stored = json.loads(file.read_text())
    assert (stored["description"], stored["of_another_version"]) == ("Edited.", {"kept": True})
    assert stored["running"]["max_iters"] == 33
    assert await server.settled(agent) == 3


async def test_a_bad_edit_on_disk_is_reported_and_a_good_one_after_it_taken(server: RunningServer, agent: str) -> None:
    file = server.workspace(agent) / "agent.json"
    good = file.read_text()
    file.write_text("{torn")
    failed = await server.wait_lifecycle(lambda found: found["last_reload"]["outcome"] == "failed", agent, within_s=5)
    assert (failed["generation"], failed["state"]) == (1, "serving")
    assert str(file) in failed["last_reload"]["error"]
    file.write_text(good.replace('"max_iters": 100', '"max_iters": 90'))
    await server.wait_lifecycle(lambda found: found["generation"] == 2, agent, within_s=5)


async def test_a_model_that_is_gone_is_told_by_the_run_and_not_by_the_reload(server: RunningServer, agent: str) -> None:
    slot = {"provider_id": "gone", "model": "gone"}
    await server.call("PUT", f"/agents/{agent}", {"active_model": slot})
    assert await server.settled(agent) == 2
    (last,) = [
        event
        for event in await server.events(_question("hello"), agent_id=agent)
        if event["object"] == "response" and event["status"] == "failed"
    ]
    assert last["error"]["code"] == "MODEL_EXECUTION_FAILED"
    assert "gone" in last["error"]["message"]
    assert await server.call("GET", "/chats", agent_id=agent)


def _question(text: str) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def make_two_agents(home: Path) -> Path:
    """A home with ``default`` and ``second``, whose file is broken; ``second`` is the active one."""
    paths = Paths(working_dir=home / "copaw", secret_dir=home / "copaw.secret")
    make_home(paths, language="en")
    directory = paths.default_workspace("second")
    make_agent_workspace(directory, new_profile("second", "Second", workspace_dir=str(directory)), "en", paths=paths)
    config = json.loads(paths.config_file.read_text())
    config["agents"]["profiles"]["second"] = {"id": "second", "workspace_dir": str(directory), "enabled": True}
    config["agents"]["active_agent"] = "second"
    paths.config_file.write_text(json.dumps(config))
    (directory / "agent.json").rename(directory / "good.json")
    (directory / "agent.json").write_text('{"id": "second"}')
    return directory


async def test_one_broken_agent_at_the_start_does_not_keep_the_others_from_serving(tmp_path: Path) -> None:
    directory = await asyncio.to_thread(make_two_agents, tmp_path)
    whoami = 'call execute_shell_command {"command": "echo $COPAW_AGENT_ID"}\nsay {1}'
    async with running_server(tmp_path) as own:
        ready = (await own.http.get("/readyz")).json()
        assert ready == {"status": "ready", "agents": {"default": "serving", "second": "failed"}}
        assert await own.ask(whoami, agent_id="default") == "default"
        refused = await own.send("POST", "/agent/process", _question("hello"))
        assert refused.status_code == 503
        assert "name" in refused.json()["detail"]
        assert str(directory / "agent.json") in refused.json()["detail"]
        (directory / "good.json").rename(directory / "agent.json")
        outcome = await own.call("POST", "/agents/second/reload?wait=true")
        assert (outcome["outcome"], outcome["generation"]) == ("swapped", 1)
        assert await own.ask(whoami) == "second"
