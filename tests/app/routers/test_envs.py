"""The user's environment variables over HTTP, and what has them."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

ECHO = 'call execute_shell_command {"command": "echo [$MINE]"}\nsay {1}'


async def test_variables_are_listed_replaced_and_deleted_as_in_1_0_2(server):
    assert await server.call("GET", "/envs") == []
    listed = await server.call("PUT", "/envs", {"A": "1", "B": "b"})
    assert listed == [{"key": "A", "value": "1"}, {"key": "B", "value": "b"}]
    assert await server.call("DELETE", "/envs/A") == [{"key": "B", "value": "b"}]
    assert await server.call("GET", "/envs") == [{"key": "B", "value": "b"}]
    assert json.loads((server.paths.secret_dir / "envs.json").read_text()) == {"B": "b"}
    error = await server.error("DELETE", "/envs/A", status=404)
    assert "Known: B" in error["message"]


@pytest.mark.parametrize("body", [{"COPAW_WORKING_DIR": "/x"}, {"a b": "1"}, {"A": "\0"}])
async def test_a_variable_that_cannot_be_is_refused_by_name_and_none_is_changed(server, body):
    await server.call("PUT", "/envs", {"KEPT": "1"})
    error = await server.error("PUT", "/envs", {"NEW": "1", **body}, status=422)
    assert error["field"] == next(iter(body))
    assert await server.call("GET", "/envs") == [{"key": "KEPT", "value": "1"}]


async def test_the_next_command_has_what_was_set_over_http_or_in_the_file(server):
    assert await server.say(ECHO) == "[]"
    await server.call("PUT", "/envs", {"MINE": "one"})
    assert await server.say(ECHO) == "[one]"
    await asyncio.to_thread(server.services.envs.set, "MINE", "two")  # as `copaw env set` does, in another process
    assert await server.say(ECHO) == "[two]"


async def test_a_broken_file_is_told_to_whoever_needs_it_and_left_alone(server):
    path = server.paths.secret_dir / "envs.json"
    await asyncio.to_thread(server.services.envs.set, "A", "1")
    path.write_text("{broken")
    error = await server.error("GET", "/envs", status=500)
    assert "envs.json" in error["message"]
    await server.error("PUT", "/envs", {"A": "1"}, status=500)
    assert "envs.json" in await server.say(ECHO)
    assert path.read_text() == "{broken"


async def test_an_mcp_server_that_uses_a_variable_is_renewed_and_others_are_left_alone(server):
    client = {"name": "n", "command": "no-such-${MINE}", "enabled": True}
    response = await server.client.post("/api/mcp", json={"client_key": "k", "client": client})
    await server.reloaded(response)
    assert "MINE is not set" in (await server.call("GET", "/mcp/k"))["last_error"]
    before = server.generation()
    await server.call("PUT", "/envs", {"MINE": "one"})
    await server.services.manager.reload_agent("default")
    assert server.generation() == before + 1
    assert "'no-such-one' was not found" in (await server.call("GET", "/mcp/k"))["last_error"]
    await server.call("PUT", "/envs", {"MINE": "one", "OTHER": "1"})
    await server.services.manager.reload_agent("default")
    assert server.generation() == before + 1


async def test_values_are_never_logged(server, caplog):
    with caplog.at_level(logging.DEBUG):
        await server.call("PUT", "/envs", {"A": "s3cret"})
        await server.say(ECHO)
        await server.call("DELETE", "/envs/A")
        await server.error("PUT", "/envs", {"COPAW_X": "s3cret"}, status=422)
    assert "s3cret" not in caplog.text
