from __future__ import annotations

import asyncio
import json
from typing import Any

JOB: dict[str, Any] = {
    "id": "",
    "name": "Morning",
    "schedule": {"cron": "0 9 * * mon-fri", "timezone": "Asia/Shanghai"},
    "task_type": "text",
    "text": "Good morning",
    "dispatch": {"channel": "console", "target": {"user_id": "u", "session_id": "s"}},
}
ASK = {**JOB, "task_type": "agent", "text": None, "request": {"input": "What is new?"}}


def changed(job: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**job, **fields}


def jobs_file(server) -> Any:
    return server.services.generations.files("default").jobs_file


async def ended(server, job_id: str) -> dict[str, Any]:
    """Wait until the job's last run has ended; its state."""
    while True:
        state = await server.call("GET", f"/cron/jobs/{job_id}/state")
        if not state["running"]:
            return state
        await asyncio.sleep(0.01)


async def test_a_new_home_has_no_jobs(server):
    assert await server.call("GET", "/cron/jobs") == []


async def test_a_job_is_made_with_its_defaults_and_stored(server):
    made = await server.call("POST", "/cron/jobs", JOB)
    assert made["id"]
    assert made["runtime"] == {"max_concurrency": 1, "timeout_seconds": 120, "misfire_grace_seconds": 60}
    assert (made["enabled"], made["dispatch"]["mode"], made["meta"]) == (True, "stream", {})
    assert await server.call("GET", "/cron/jobs") == [made]
    assert json.loads(jobs_file(server).read_text()) == {"version": 1, "jobs": [made]}


async def test_a_job_of_one_agent_is_not_anothers(server):
    other = (await server.call("POST", "/agents", {"name": "Other"}, status=201))["id"]
    made = await server.call("POST", f"/agents/{other}/cron/jobs", JOB)
    assert await server.call("GET", "/cron/jobs") == []
    assert await server.call("GET", "/cron/jobs", headers={"X-Agent-Id": other}) == [made]
    assert (await server.call("GET", f"/agents/{other}/cron/jobs/{made['id']}"))["spec"] == made


async def test_an_id_that_is_given_is_kept_unless_it_is_taken(server):
    first = await server.call("POST", "/cron/jobs", changed(JOB, id="mine"))
    second = await server.call("POST", "/cron/jobs", changed(JOB, id="mine", name="Two"))
    assert first["id"] == "mine"
    assert second["id"] != "mine"
    assert [job["name"] for job in await server.call("GET", "/cron/jobs")] == ["Morning", "Two"]


async def test_a_view_shows_when_the_job_is_due_next(server):
    made = await server.call("POST", "/cron/jobs", changed(JOB, schedule={"cron": "30 4 1 1 *"}))
    view = await server.call("GET", f"/cron/jobs/{made['id']}")
    assert view["spec"] == made
    assert view["state"]["next_run_at"].endswith("-01-01T04:30:00Z")
    assert view["state"] == await server.call("GET", f"/cron/jobs/{made['id']}/state")


async def test_replacing_a_job_keeps_what_the_version_does_not_know_when_it_is_sent(server):
    made = await server.call("POST", "/cron/jobs", changed(JOB, id="a", future={"x": 1}))
    assert made["future"] == {"x": 1}
    answer = await server.call("PUT", "/cron/jobs/a", changed(made, name="Evening"))
    assert (answer["name"], answer["future"]) == ("Evening", {"x": 1})
    error = await server.error("PUT", "/cron/jobs/a", changed(JOB, id="b"), status=422)
    assert error["field"] == "id"
    assert (await server.call("PUT", "/cron/jobs/new", JOB))["id"] == "new"


async def test_a_disabled_job_is_not_due(server):
    made = await server.call("POST", "/cron/jobs", changed(JOB, enabled=False))
    assert (await server.call("GET", f"/cron/jobs/{made['id']}/state"))["next_run_at"] is None


async def test_a_job_is_paused_and_goes_on(server):
    job_id = (await server.call("POST", "/cron/jobs", JOB))["id"]
    assert await server.call("POST", f"/cron/jobs/{job_id}/pause") == {"paused": True}
    state = await server.call("GET", f"/cron/jobs/{job_id}/state")
    assert (state["paused"], state["next_run_at"]) == (True, None)
    assert await server.call("POST", f"/cron/jobs/{job_id}/resume") == {"resumed": True}
    assert (await server.call("GET", f"/cron/jobs/{job_id}/state"))["next_run_at"] is not None


async def test_a_deleted_job_is_gone(server):
    job_id = (await server.call("POST", "/cron/jobs", JOB))["id"]
    assert await server.call("DELETE", f"/cron/jobs/{job_id}") == {"deleted": True}
    assert await server.call("GET", "/cron/jobs") == []
    assert json.loads(jobs_file(server).read_text())["jobs"] == []


async def test_what_is_not_there_is_not_found(server):
    for method, path, body in [
        ("GET", "", None), ("DELETE", "", None), ("POST", "/run", None), ("POST", "/pause", None),
        ("POST", "/resume", None), ("GET", "/state", None), ("GET", "/history", None),
    ]:  # fmt: skip
        assert "'nope'" in (await server.error(method, f"/cron/jobs/nope{path}", body, status=404))["message"]


async def test_a_text_job_that_is_run_leaves_its_text_for_the_session(server):
    job_id = (await server.call("POST", "/cron/jobs", JOB))["id"]
    assert await server.call("POST", f"/cron/jobs/{job_id}/run") == {"started": True}
    assert (await ended(server, job_id))["last_status"] == "success"
    messages = (await server.call("GET", "/console/push-messages?session_id=s"))["messages"]
    assert [message["text"] for message in messages] == ["Good morning"]
    (record,) = await server.call("GET", f"/cron/jobs/{job_id}/history")
    assert (record["trigger"], record["status"], record["due_at"]) == ("manual", "success", None)


async def test_an_agent_job_that_is_run_asks_the_agent_and_leaves_the_answer(server):
    await server.services.ready.wait()
    job_id = (await server.call("POST", "/cron/jobs", ASK))["id"]
    await server.call("POST", f"/cron/jobs/{job_id}/run")
    assert (await ended(server, job_id))["last_error"] is None
    (message,) = (await server.call("GET", "/console/push-messages?session_id=s"))["messages"]
    assert message["text"]
    (chat,) = await server.call("GET", "/chats?user_id=u&channel=console")
    assert chat["session_id"] == "s"


async def test_a_job_whose_channel_is_off_says_so_and_leaves_a_notice(server):
    await server.services.ready.wait()
    dispatch = {"channel": "telegram", "target": {"user_id": "u", "session_id": "s"}}
    job_id = (await server.call("POST", "/cron/jobs", changed(JOB, dispatch=dispatch)))["id"]
    await server.call("POST", f"/cron/jobs/{job_id}/run")
    state = await ended(server, job_id)
    assert state["last_status"] == "error"
    assert "telegram" in state["last_error"]
    (message,) = (await server.call("GET", "/console/push-messages?session_id=s"))["messages"]
    assert "'Morning' failed" in message["text"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"schedule": {"cron": "* * * *"}}, "schedule.cron"),
    ({"schedule": {"cron": "61 * * * *"}}, "schedule.cron"),
    ({"schedule": {"cron": "0 0 31 2 *"}}, "schedule.cron"),
    ({"schedule": {"cron": "* * * * *", "timezone": "Mars"}}, "schedule.timezone"),
    ({"text": " "}, "text"),
    ({"task_type": "agent"}, "request"),
    ({"task_type": "agent", "request": {"input": []}}, "request.input"),
    ({"task_type": "agent", "request": {"input": [{"content": [{"type": "x"}]}]}}, "request.input.0.content.0.type"),
    ({"name": ""}, "name"),
    ({"id": "a/b"}, "id"),
    ({"dispatch": {"target": {"user_id": "", "session_id": "s"}}}, "dispatch.target.user_id"),
    ({"runtime": {"timeout_seconds": 10**12}}, "runtime.timeout_seconds"),
]


async def test_a_job_that_cannot_be_run_names_the_field(server):
    for fields, field in WRONG:
        error = await server.error("POST", "/cron/jobs", changed(JOB, **fields), status=422)
        assert error["field"] == field
    for name in ("id", "name", "schedule", "dispatch"):
        body = {key: value for key, value in JOB.items() if key != name}
        answer = await server.call("POST", "/cron/jobs", body, status=422)
        assert answer["detail"][0]["loc"] == ["body", name]
    assert await server.call("GET", "/cron/jobs") == []


async def test_jobs_edited_on_disk_are_taken_over_and_kept(server):
    await server.call("POST", "/cron/jobs", changed(JOB, id="a"))
    content = json.loads(jobs_file(server).read_text())
    content["future"] = True
    content["jobs"].append(changed(JOB, id="b"))
    jobs_file(server).write_text(json.dumps(content))
    await server.call("POST", "/cron/jobs", changed(JOB, id="c"))
    assert [job["id"] for job in await server.call("GET", "/cron/jobs")] == ["a", "b", "c"]
    assert json.loads(jobs_file(server).read_text())["future"] is True
    assert (await server.call("GET", "/cron/jobs/b/state"))["next_run_at"] is not None


BROKEN: dict[bytes, str] = {
    b"": "empty",
    b'{"jobs": [': "line 1",
    b"\xff\xfe": "UTF-8",
    b"[]": "jobs",
    b'{"jobs": {}}': "jobs",
    b'{"jobs": [{"id": 5}]}': "jobs.0.id",
    b"[" * 100_000: "nested",
}


async def test_a_file_that_cannot_be_used_is_named_and_left_alone(server):
    await server.call("POST", "/cron/jobs", changed(JOB, id="a"))
    requests = [("GET", "", None), ("POST", "", JOB), ("POST", "/a/run", None), ("DELETE", "/a", None)]
    for content, named in BROKEN.items():
        jobs_file(server).write_bytes(content)
        for method, path, body in requests:
            error = await server.error(method, f"/cron/jobs{path}", body, status=500)
            assert error["code"] == "CONFIG_FILE_ERROR"
            assert named in error["message"]
        assert jobs_file(server).read_bytes() == content
    assert await server.call("GET", "/chats") == []


async def test_a_job_of_a_file_that_cannot_be_scheduled_says_why_and_the_others_work(server):
    jobs = [changed(JOB, id="bad", schedule={"cron": "never"}), changed(JOB, id="good")]
    jobs_file(server).write_text(json.dumps({"jobs": jobs}))
    bad = (await server.call("GET", "/cron/jobs/bad"))["state"]
    assert bad["next_run_at"] is None
    assert "schedule.cron" in bad["problem"]
    assert (await server.call("GET", "/cron/jobs/good"))["state"]["next_run_at"] is not None


async def test_nothing_here_reloads_the_agent(server):
    await server.services.ready.wait()
    was = server.generation()
    await server.call("POST", "/cron/jobs", changed(JOB, id="a"))
    await server.call("POST", "/cron/jobs/a/pause")
    await server.call("DELETE", "/cron/jobs/a")
    await server.services.manager.reload_agent("default")
    assert server.generation() == was
