from __future__ import annotations

import json
import re

import pytest

SAY = ("agents", "chat", "--from-agent", "a", "--to-agent", "b", "--text", "hi")


def test_list_prints_the_answer_indented(ask, server) -> None:
    agents = {"agents": [{"id": "default", "name": "默认"}]}
    server.on("GET", "/api/agents", agents)
    assert ask("agents", "list").stdout == json.dumps(agents, ensure_ascii=False, indent=2) + "\n"


def test_no_server_is_one_sentence_and_status_1(run) -> None:
    result = run("agents", "list", "--base-url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: No copaw server answers at http://127.0.0.1:9; start one with `copaw app`.\n"


def test_a_refusal_is_the_servers_sentence_and_status_1(ask, server) -> None:
    server.on("GET", "/api/agents/nobody/lifecycle", {"detail": "Agent 'nobody'\n not found."}, status=404)
    result = ask("agents", "status", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: Agent 'nobody' not found.\n")


def test_base_url_wins(run, server) -> None:
    server.on("GET", "/api/agents", {"agents": []})
    assert run("--port", "9", "agents", "list", "--base-url", server.base_url).exit_code == 0


class TestChat:
    def test_final_prints_the_session_an_empty_line_and_the_text(self, ask, server, plain_run) -> None:
        server.streams(*plain_run("hel", "lo"))
        result = ask(*SAY, "--session-id", "s1")
        assert result.stdout == "[SESSION: s1]\n\nhello\n"
        assert result.exit_code == 0
        request = server.seen[0]
        assert request.headers["x-agent-id"] == "b"
        assert request.body == {
            "session_id": "s1",
            "input": [
                {"role": "user", "type": "message", "content": [{"type": "text", "text": "[Agent a requesting] hi"}]}
            ],
        }

    @pytest.mark.parametrize("options", [(), ("--session-id", "s1", "--new-session")])
    def test_a_new_session_is_made_when_none_is_wanted(self, ask, server, plain_run, options) -> None:
        server.streams(*plain_run("x"))
        result = ask(*SAY, *options)
        session = server.seen[0].body["session_id"]
        assert re.fullmatch(r"a:to:b:\d{13}:[0-9a-f]{8}", session)
        assert result.stdout.startswith(f"[SESSION: {session}]\n\n")

    def test_stream_prints_each_piece_once(self, ask, server, plain_run) -> None:
        server.streams(*plain_run("hel", "lo"))
        assert ask(*SAY, "--mode", "stream", "--session-id", "s").stdout == "[SESSION: s]\n\nhello\n"

    def test_json_output_is_the_final_response(self, ask, server, plain_run) -> None:
        events = plain_run("hello")
        server.streams(*events)
        document = json.loads(ask(*SAY, "--json-output", "--session-id", "s").stdout)
        assert document == {"session_id": "s", **events[-1]}

    @pytest.mark.parametrize("mode", ["final", "stream"])
    def test_a_failed_run_is_told_on_stderr(self, ask, server, plain_run, mode) -> None:
        error = {"code": "MODEL_EXECUTION_FAILED", "message": "The key is wrong."}
        server.streams(*plain_run("hel")[:4], {"object": "response", "status": "failed", "error": error})
        result = ask(*SAY, "--mode", mode)
        assert (result.exit_code, result.stderr) == (1, "Error: The key is wrong.\n")

    def test_a_failed_run_as_json_still_exits_1(self, ask, server) -> None:
        server.streams({"object": "response", "status": "failed", "error": {"message": "No."}})
        result = ask(*SAY, "--json-output")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["status"] == "failed"

    @pytest.mark.parametrize("mode", ["final", "stream"])
    def test_a_cut_stream_is_a_failure(self, ask, server, plain_run, mode) -> None:
        server.streams(*plain_run("hello")[:-1])
        result = ask(*SAY, "--mode", mode)
        assert result.exit_code == 1
        assert "ended before the run did" in result.stderr

    def test_missing_options_are_named(self, run) -> None:
        result = run("agents", "chat", "--text", "hi")
        assert result.exit_code == 2
        assert "--from-agent, --to-agent" in result.stderr
        assert "--text." not in result.stderr

    def test_agent_id_is_another_name_for_from_agent(self, ask, server, plain_run) -> None:
        server.streams(*plain_run("x"))
        assert ask("agents", "chat", "--agent-id", "a", "--to-agent", "b", "--text", "t").exit_code == 0

    def test_a_timeout_below_a_second_is_wrong_usage(self, run) -> None:
        assert run(*SAY, "--timeout", "0").exit_code == 2


class TestBackground:
    def test_submission_prints_the_bracketed_lines(self, ask, server) -> None:
        server.on("POST", "/api/agent/process/task", {"task_id": "t1", "status": "submitted"})
        result = ask(*SAY, "--background", "--session-id", "s1")
        lines = result.stdout.splitlines()
        assert lines[:3] == ["[TASK_ID: t1]", "[SESSION: s1]", ""]
        assert lines[3].endswith("copaw agents chat --background --task-id t1")
        assert server.seen[0].headers["x-agent-id"] == "b"

    def test_submission_without_an_id_is_a_failure(self, ask, server) -> None:
        server.on("POST", "/api/agent/process/task", {"error": "The queue is full."})
        result = ask(*SAY, "--background")
        assert result.exit_code == 1
        assert "The queue is full." in result.stderr

    @pytest.mark.parametrize("options", [("--background", "--task-id", "t1"), ("--task-id", "t1")])
    def test_a_task_under_way_has_only_a_status(self, ask, server, options) -> None:
        server.on("GET", "/api/agent/process/task/t1", {"status": "pending", "result": None})
        result = ask("agents", "chat", *options)
        assert (result.exit_code, result.stdout) == (0, "[TASK_ID: t1]\n[STATUS: pending]\n")

    def test_a_finished_task_has_its_answer(self, ask, server, plain_run) -> None:
        server.on("GET", "/api/agent/process/task/t1", {"status": "finished", "result": plain_run("done")[-1]})
        result = ask("agents", "chat", "--task-id", "t1")
        assert (result.exit_code, result.stdout) == (0, "[TASK_ID: t1]\n[STATUS: finished]\n\ndone\n")

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            ({"status": "finished", "result": {"status": "failed", "error": {"message": "Broke."}}}, "finished"),
            ({"status": "error", "result": "Broke."}, "error"),
        ],
    )
    def test_a_failed_task_has_its_error_and_status_1(self, ask, server, answer, status) -> None:
        server.on("GET", "/api/agent/process/task/t1", answer)
        result = ask("agents", "chat", "--task-id", "t1")
        assert (result.exit_code, result.stdout) == (1, f"[TASK_ID: t1]\n[STATUS: {status}]\n\nBroke.\n")

    def test_an_unknown_task_is_a_failure(self, ask, server) -> None:
        server.on("GET", "/api/agent/process/task/t1", {"error": "Task t1 not found"})
        result = ask("agents", "chat", "--task-id", "t1")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: Task t1 not found\n")


class TestReload:
    @pytest.mark.parametrize(
        ("outcome", "exit_code"), [("swapped", 0), ("unchanged", 0), ("superseded", 0), ("failed", 1), (None, 0)]
    )
    def test_only_a_failed_reload_is_a_failure(self, ask, server, outcome, exit_code) -> None:
        document = {"outcome": outcome, "generation": 3, "changed": ["running.max_iters"], "error": None}
        server.on("POST", "/api/agents/default/reload", document)
        result = ask("agents", "reload", "default", "--wait")
        assert result.exit_code == exit_code
        assert result.stdout == f"{outcome or 'accepted'}, generation 3; changed: running.max_iters\n"
        assert server.seen[0].query == {"wait": "true"}

    def test_it_does_not_wait_unless_asked(self, ask, server) -> None:
        server.on("POST", "/api/agents/default/reload", {"outcome": "accepted"}, status=202)
        assert json.loads(ask("agents", "reload", "default", "--json").stdout) == {"outcome": "accepted"}
        assert server.seen[0].query == {"wait": "false"}
