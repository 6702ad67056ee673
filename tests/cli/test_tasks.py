"""``copaw tasks``, and the further options of ``copaw agents chat``, against a server that speaks its shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.cli.task_client import TaskClient
from copaw.cli.task_view import changes, outcome
from copaw.cli.transport import Transport

RESULT = {
    "object": "response", "status": "completed", "error": None,
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "all done"}]}],
}  # fmt: skip


def task(state: str = "succeeded", **fields: Any) -> dict[str, Any]:
    return {"id": "t1", "agent_id": "a", "session_id": "s", "state": state, "end_reason": None,
            "created_at": "2026-01-01T00:00:00.000+00:00", "started_at": None, "ended_at": None,
            "result": RESULT if state == "succeeded" else None, **fields}  # fmt: skip


def test_a_list_shows_each_task_and_asks_for_what_is_wanted(ask: Any, server: Any) -> None:
    server.on("GET", "/api/tasks", {"tasks": [task(), task("running", id="t2")], "next_cursor": None})
    done = ask("tasks", "list", "--state", "running", "--agent", "a", "--limit", "7")
    assert done.exit_code == 0
    assert "t1" in done.stdout
    assert "t2" in done.stdout
    assert server.seen[-1].query == {"state": "running", "agent_id": "a", "limit": "7"}


def test_a_list_for_programs_is_the_servers_answer(ask: Any, server: Any) -> None:
    page = {"tasks": [task()], "next_cursor": "c"}
    server.on("GET", "/api/tasks", page)
    assert json.loads(ask("tasks", "list", "--json").stdout) == page


def test_show_prints_the_answer_or_why_there_is_none(ask: Any, server: Any) -> None:
    server.on("GET", "/api/tasks/t1", task())
    assert ask("tasks", "show", "t1").stdout.rstrip().endswith("all done")
    failed = {**RESULT, "status": "failed", "error": {"code": "X", "message": "no disk"}}
    server.on("GET", "/api/tasks/t1", task("interrupted", result=failed, end_reason="server_died"))
    said = ask("tasks", "show", "t1").stdout
    assert "end_reason: server_died" in said
    assert said.rstrip().endswith("all done\n\nError: no disk")


def test_a_tool_call_is_shown_with_what_it_gave_back(ask: Any, server: Any) -> None:
    call = {"kind": "tool", "tool": "grep_search", "arguments": {"pattern": "x"}, "answer": "3 lines"}
    server.on("GET", "/api/tasks/t1", {**task(), **call})
    said = ask("tasks", "show", "t1").stdout
    assert "tool: grep_search" in said
    assert said.rstrip().endswith("3 lines")
    server.on("GET", "/api/tasks", {"tasks": [{**task(), **call}], "next_cursor": None})
    assert "tool" in ask("tasks", "list", "--kind", "tool").stdout
    assert server.seen[-1].query["kind"] == "tool"


def test_an_unknown_task_is_one_sentence_and_status_1(ask: Any, server: Any) -> None:
    server.on("GET", "/api/tasks/no", {"detail": "Task no not found."}, status=404)
    done = ask("tasks", "show", "no")
    assert (done.exit_code, done.stderr) == (1, "Error: Task no not found.\n")


@pytest.mark.parametrize(("state", "status"), [("succeeded", 0), ("failed", 1), ("cancelled", 1), ("running", 1)])
def test_wait_ends_with_the_outcome(ask: Any, server: Any, state: str, status: int) -> None:
    server.on("GET", "/api/tasks/t1/wait", task(state))
    assert ask("tasks", "wait", "t1", "--timeout", "0").exit_code == status


def test_waiting_asks_again_until_the_end(server: Any) -> None:
    answers = [task("queued"), task("running"), task("succeeded")]
    server.routes["GET", "/api/tasks/t1/wait"] = lambda _request: (200, answers.pop(0))
    assert TaskClient(Transport(server.base_url)).wait("t1", None)["state"] == "succeeded"
    assert [request.query["timeout"] for request in server.seen] == ["20.000"] * 3


def test_cancel_takes_several(ask: Any, server: Any) -> None:
    for name in ("t1", "t2"):
        server.on("POST", f"/api/tasks/{name}/cancel", task("cancelling", id=name), status=202)
    assert ask("tasks", "cancel", "t1", "t2").stdout == "t1: cancelling\nt2: cancelling\n"


def test_retry_prints_the_new_task_for_scripts(ask: Any, server: Any) -> None:
    server.on("POST", "/api/tasks/t1/retry", task("queued", id="t9"), status=201)
    assert ask("tasks", "retry", "t1").stdout == "[TASK_ID: t9]\n[SESSION: s]\n"


def test_delete_forgets(ask: Any, server: Any) -> None:
    server.on("DELETE", "/api/tasks/t1", {"deleted": True})
    assert ask("tasks", "delete", "t1").exit_code == 0


def test_watching_without_a_terminal_tells_each_change_once() -> None:
    known: dict[str, str] = {}
    first = list(changes(known, [task("running", id="t2"), task()]))
    assert [json.loads(line)["id"] for line in first] == ["t1", "t2"]
    assert list(changes(known, [task("running", id="t2"), task()])) == []
    assert len(list(changes(known, [task("failed", id="t2"), task()]))) == 1


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_a_task_under_way_has_no_outcome(state: str) -> None:
    assert outcome(task(state)) == ""


CHAT = ("agents", "chat", "--from-agent", "a", "--to-agent", "b", "--text", "x")


def test_chat_in_the_background_can_wait_for_the_end(ask: Any, server: Any) -> None:
    server.on("POST", "/api/agent/process/task", {"task_id": "t1", "status": "submitted"})
    server.on("GET", "/api/tasks/t1/wait", task())
    server.on("GET", "/api/agent/process/task/t1", {"status": "finished", "result": RESULT})
    done = ask(*CHAT, "--background", "--wait")
    assert done.exit_code == 0
    assert done.stdout == "[TASK_ID: t1]\n[STATUS: finished]\n\nall done\n"


def test_chat_cancels_a_task_and_tells_its_end(ask: Any, server: Any) -> None:
    cut = {**RESULT, "status": "failed", "error": {"code": "AGENT_ERROR", "message": "Stopped by the user."}}
    server.on("POST", "/api/tasks/t1/cancel", task("cancelling"), status=202)
    server.on("GET", "/api/tasks/t1/wait", task("cancelled"))
    server.on("GET", "/api/agent/process/task/t1", {"status": "finished", "result": cut})
    done = ask("agents", "chat", "--background", "--task-id", "t1", "--cancel")
    assert done.exit_code == 0
    assert "Stopped by the user." in done.stdout


@pytest.mark.parametrize("extra", [("--cancel",), ("--wait",)])
def test_options_that_miss_their_task_are_wrong_usage(ask: Any, extra: tuple[str, ...]) -> None:
    assert ask(*CHAT, *extra).exit_code == 2
