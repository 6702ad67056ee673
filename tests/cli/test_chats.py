from __future__ import annotations

import json
from pathlib import Path

SPEC = {"id": "c1", "name": "N", "session_id": "s", "user_id": "u", "channel": "console"}


def test_list_filters_and_names_the_agent(ask, server) -> None:
    server.on("GET", "/api/chats", [SPEC])
    result = ask("chats", "list", "--user-id", "u", "--agent-id", "helper")
    assert result.stdout == json.dumps([SPEC], indent=2) + "\n"
    assert server.seen[0].query == {"user_id": "u"}
    assert server.seen[0].headers["x-agent-id"] == "helper"


def test_get_update_and_delete_use_the_chats_own_address(ask, server) -> None:
    server.on("GET", "/api/chats/c 1", {"messages": [], "status": "idle"})
    server.on("PUT", "/api/chats/c1", SPEC)
    server.on("DELETE", "/api/chats/c1", {"deleted": True})
    assert json.loads(ask("chats", "get", "c 1").stdout)["status"] == "idle"
    assert json.loads(ask("chats", "update", "c1", "--name", "N").stdout) == SPEC
    assert json.loads(ask("chat", "delete", "c1").stdout) == {"deleted": True}
    assert server.seen[1].body == {"name": "N"}
    assert {request.headers["x-agent-id"] for request in server.seen} == {"default"}


def test_create_from_options(ask, server) -> None:
    server.on("POST", "/api/chats", SPEC)
    assert ask("chats", "create", "--session-id", "s", "--user-id", "u").exit_code == 0
    assert server.seen[0].body == {"name": "New Chat", "session_id": "s", "user_id": "u", "channel": "console"}


def test_create_from_a_file(ask, server, tmp_path: Path) -> None:
    server.on("POST", "/api/chats", SPEC)
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(SPEC))
    assert ask("chats", "create", "-f", str(file)).exit_code == 0
    assert server.seen[0].body == SPEC


def test_create_names_what_is_missing(run) -> None:
    result = run("chats", "create", "--user-id", "u")
    assert result.exit_code == 2
    assert "Missing --session-id (or" in result.stderr


def test_create_from_a_broken_file_says_so(run, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text("{")
    result = run("chats", "create", "--file", str(file))
    assert result.exit_code == 2
    assert "not a JSON file" in result.stderr


def test_an_unknown_chat_is_a_failure(ask, server) -> None:
    server.on("GET", "/api/chats/x", {"detail": "Chat not found: x"}, status=404)
    assert ask("chats", "get", "x").stderr == "Error: Chat not found: x\n"


def test_options_beside_a_file_are_told_to_have_no_effect(ask, server, tmp_path: Path) -> None:
    server.on("POST", "/api/chats", SPEC)
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(SPEC))
    result = ask("chats", "create", "-f", str(file), "--name", "Other", "--agent-id", "a")
    assert result.stderr == "Note: without effect because of --file: --name.\n"
    assert server.seen[0].body == SPEC
    assert ask("chats", "create", "-f", str(file)).stderr == ""
