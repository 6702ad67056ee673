from __future__ import annotations

import asyncio
import json

import pytest

from copaw.errors import EndReason

SPEC = {"session_id": "s1", "user_id": "u1"}


async def made(server, **fields) -> dict:
    return await server.call("POST", "/chats", {**SPEC, **fields})


def chats_on_disk(server) -> list[dict]:
    return json.loads((server.services.config.workspace_dir("default") / "chats.json").read_text())["chats"]


def session_file(server):
    return server.services.config.workspace_dir("default") / "sessions" / "u1_s1.json"


def write_session(server, *texts: str) -> None:
    content = [
        [
            {"id": str(n), "name": "user", "role": "user", "content": text, "metadata": None, "timestamp": ""},
            [],
        ]
        for n, text in enumerate(texts)
    ]
    memory = {"content": content, "_compressed_summary": ""}
    session_file(server).write_text(json.dumps({"agent": {"memory": memory}}))


class Running:
    """A run of a chat that goes on until it is asked to end."""

    def __init__(self, server, chat_id: str) -> None:
        manager = server.services.manager
        workspace, lease = manager.acquire("default", "test", chat_id)
        self.tracker = manager.slot("default").tracker
        self.ended_by: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        async def work(_run, _emit) -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.ended_by.set_result(lease.end_reason)

        self.run = self.tracker.start(chat_id, "s1", lease, workspace.generation, work)

    async def stopped(self) -> None:
        await asyncio.sleep(0)  # a task that has not begun cannot tell why it ended
        self.run.stop(EndReason.USER_STOP)
        await self.run.wait_end()


async def test_a_chat_is_on_disk_when_it_is_answered(server):
    chat = await made(server, name="Plans", meta={"k": 1})
    assert chat.keys() >= {"id", "name", "session_id", "user_id", "channel", "created_at", "updated_at", "meta"}
    assert (chat["name"], chat["channel"], chat["status"], chat["pinned"]) == ("Plans", "console", "idle", False)
    assert [saved["id"] for saved in chats_on_disk(server)] == [chat["id"]]
    assert await server.call("GET", "/chats") == [chat]


async def test_chats_are_filtered_by_user_and_channel(server):
    await made(server)
    other = await made(server, user_id="u2", channel="telegram")
    assert [chat["id"] for chat in await server.call("GET", "/chats?user_id=u2")] == [other["id"]]
    assert [chat["id"] for chat in await server.call("GET", "/chats?channel=telegram")] == [other["id"]]
    assert await server.call("GET", "/chats?user_id=u1&channel=telegram") == []


async def test_a_chat_without_a_session_is_refused(server):
    answer = await server.call("POST", "/chats", {"user_id": "u"}, status=422)
    assert answer["detail"][0]["loc"] == ["body", "session_id"]


async def test_an_id_that_is_taken_or_has_a_slash_is_refused(server):
    chat = await made(server, id="c1")
    assert chat["id"] == "c1"
    await server.error("POST", "/chats", {**SPEC, "id": "c1", "name": "Other"}, status=409)
    assert (await server.error("POST", "/chats", {**SPEC, "id": "a/b"}, status=422))["field"] == "id"
    assert (await server.call("GET", "/chats"))[0]["name"] == "New Chat"


async def test_a_chat_is_renamed_and_pinned_and_nothing_else(server):
    chat = await made(server)
    renamed = await server.call("PUT", f"/chats/{chat['id']}", {"name": "New"})
    assert (renamed["name"], renamed["pinned"]) == ("New", False)
    pinned = await server.call("PUT", f"/chats/{chat['id']}", {"pinned": True})
    assert (pinned["name"], pinned["pinned"]) == ("New", True)
    assert (chats_on_disk(server)[0]["name"], chats_on_disk(server)[0]["pinned"]) == ("New", True)
    answer = await server.call("PUT", f"/chats/{chat['id']}", {"session_id": "s2"}, status=422)
    assert answer["detail"][0]["loc"] == ["body", "session_id"]
    assert (await server.error("PUT", f"/chats/{chat['id']}", {"name": " "}, status=422))["field"] == "name"


async def test_an_unknown_chat_is_not_found(server):
    await server.error("GET", "/chats/none", status=404)
    await server.error("PUT", "/chats/none", {"name": "x"}, status=404)
    await server.error("DELETE", "/chats/none", status=404)


async def test_the_history_has_the_messages_of_the_session(server):
    chat = await made(server)
    assert await server.call("GET", f"/chats/{chat['id']}") == {"messages": [], "status": "idle"}
    write_session(server, "first", "second")
    history = await server.call("GET", f"/chats/{chat['id']}")
    assert [message["content"][0]["text"] for message in history["messages"]] == ["first", "second"]
    assert history["messages"][0]["metadata"]["original_id"] == "0"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"agent": {"memory": {"content": [5]}}}'])
async def test_a_damaged_session_is_an_empty_history_and_set_aside(server, content):
    chat = await made(server)
    session_file(server).write_text(content)
    assert (await server.call("GET", f"/chats/{chat['id']}"))["messages"] == []
    kept = list(session_file(server).parent.glob("u1_s1.json.damaged-*"))
    assert [file.read_text() for file in kept] == [content]


async def test_a_damaged_session_that_is_in_use_is_left_to_its_run(server):
    chat = await made(server)
    session_file(server).write_text("{")
    async with server.services.locks.hold(session_file(server)):
        assert (await server.call("GET", f"/chats/{chat['id']}"))["messages"] == []
        assert session_file(server).read_text() == "{"
        write_session(server, "first")
        assert len((await server.call("GET", f"/chats/{chat['id']}"))["messages"]) == 1


async def test_a_chat_is_running_while_its_run_is(server):
    chat = await made(server)
    running = Running(server, chat["id"])
    assert (await server.call("GET", "/chats"))[0]["status"] == "running"
    assert (await server.call("GET", f"/chats/{chat['id']}"))["status"] == "running"
    assert (await server.call("PUT", f"/chats/{chat['id']}", {"name": "x"}))["status"] == "running"
    await running.stopped()
    assert all(saved["status"] == "idle" for saved in chats_on_disk(server))
    assert (await server.call("GET", "/chats"))[0]["status"] == "idle"


async def test_a_deleted_chat_is_stopped_and_gone_and_its_session_file_kept(server):
    chat = await made(server)
    write_session(server, "first")
    running = Running(server, chat["id"])
    await asyncio.sleep(0)
    assert await server.call("DELETE", f"/chats/{chat['id']}") == {"deleted": True}
    assert await running.ended_by == EndReason.USER_STOP
    assert chats_on_disk(server) == []
    assert session_file(server).exists()
    await server.error("DELETE", f"/chats/{chat['id']}", status=404)


async def test_several_chats_are_deleted_at_once(server):
    ids = [(await made(server, session_id=session))["id"] for session in ("a", "b", "c")]
    assert await server.call("POST", "/chats/batch-delete", [*ids[:2], "none"]) == {"deleted": True, "count": 2}
    assert [chat["id"] for chat in await server.call("GET", "/chats")] == ids[2:]
    assert await server.call("POST", "/chats/batch-delete", ids[:2]) == {"deleted": False, "count": 0}
    await server.call("POST", "/chats/batch-delete", {"ids": []}, status=422)


async def test_every_agent_has_its_own_chats(server):
    other = (await server.client.post("/api/agents", json={"name": "Helper"})).json()["id"]
    await made(server)
    assert await server.call("GET", f"/agents/{other}/chats") == []
