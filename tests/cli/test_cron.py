from __future__ import annotations

import json
from pathlib import Path

JOB = {"id": "j1", "name": "N"}
OPTIONS = {
    "--name": "Morning",
    "--cron": "0 9 * * *",
    "--channel": "console",
    "--target-user": "u",
    "--target-session": "s",
    "--text": "Hello",
}


def _flat(options: dict[str, str]) -> list[str]:
    return [part for pair in options.items() for part in pair]


def test_list_get_state_and_history_print_the_answer_for_the_agent(ask, server) -> None:
    answers = {"": [JOB], "/j 1": {"spec": JOB}, "/j 1/state": {"paused": False}, "/j 1/history": []}
    for path, answer in answers.items():
        server.on("GET", f"/api/cron/jobs{path}", answer)
    for command, answer in zip(
        (("list",), ("get", "j 1"), ("state", "j 1"), ("history", "j 1")), answers.values(), strict=True
    ):
        assert json.loads(ask("cron", *command, "--agent-id", "helper").stdout) == answer
    assert {request.headers["x-agent-id"] for request in server.seen} == {"helper"}


def test_pause_resume_run_and_delete(ask, server) -> None:
    for action in ("pause", "resume", "run"):
        server.on("POST", f"/api/cron/jobs/j1/{action}", {action: True})
        assert json.loads(ask("cron", action, "j1").stdout) == {action: True}
    server.on("DELETE", "/api/cron/jobs/j1", {"deleted": True})
    assert json.loads(ask("cron", "delete", "j1").stdout) == {"deleted": True}


def test_create_an_agent_job_in_the_users_time_zone(ask, server) -> None:
    server.on("GET", "/api/config/user-timezone", {"timezone": "Asia/Shanghai"})
    server.on("POST", "/api/cron/jobs", JOB)
    result = ask("cron", "create", "--type", "agent", *_flat(OPTIONS))
    assert json.loads(result.stdout) == JOB
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": "Hello"}]}
    assert server.seen[-1].body == {
        "id": "",
        "name": "Morning",
        "enabled": True,
        "schedule": {"type": "cron", "cron": "0 9 * * *", "timezone": "Asia/Shanghai"},
        "task_type": "agent",
        "dispatch": {
            "type": "channel",
            "channel": "console",
            "target": {"user_id": "u", "session_id": "s"},
            "mode": "final",
        },
        "request": {"input": [message], "user_id": "u", "session_id": "s"},
    }


def test_create_a_text_job_with_every_option(ask, server) -> None:
    server.on("POST", "/api/cron/jobs", JOB)
    more = ["--timezone", "UTC", "--no-enabled", "--mode", "stream"]
    assert ask("cron", "create", "--type", "text", *_flat(OPTIONS), *more).exit_code == 0
    body = server.seen[0].body
    assert (body["text"], body["enabled"], body["dispatch"]["mode"]) == ("Hello", False, "stream")
    assert "request" not in body


def test_create_from_a_file(ask, server, tmp_path: Path) -> None:
    server.on("POST", "/api/cron/jobs", JOB)
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"name": "N"}))
    assert ask("cron", "create", "-f", str(file)).exit_code == 0
    assert server.seen[0].body == {"id": "", "name": "N"}


def test_create_names_what_is_missing(run) -> None:
    result = run("cron", "create", "--type", "text", "--name", "N", "--cron", "* * * * *")
    assert result.exit_code == 2
    assert "Missing --channel, --target-user, --target-session, --text (or" in result.stderr


def test_create_from_a_broken_file_says_so(run, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    for content in ("{", "[]"):
        file.write_text(content)
        result = run("cron", "create", "-f", str(file))
        assert result.exit_code == 2
        assert str(file) in result.stderr.replace("\n", "")
