"""Sending through a channel, and the state of channels, over HTTP; a custom channel from its file to an answer."""

from __future__ import annotations

import json

from copaw.testing.eventually import eventually

SEND = {"channel": "console", "target_user": "u", "target_session": "s", "text": "hello"}

MAILBOX = '''
import asyncio
from pathlib import Path
from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import InboundMessage, text_of

class Mailbox(BaseChannel):
    """Answers one message from a file into another."""
    channel = "mailbox"

    async def run(self, ready):
        self.folder = Path(self.config.folder)
        ready()
        text = await asyncio.to_thread((self.folder / "in.txt").read_text)
        await self.receive(InboundMessage.of_text("1", "mail", "ann", text))
        await asyncio.Event().wait()

    async def send(self, target, parts):
        await asyncio.to_thread((self.folder / "out.txt").write_text, target.user_id + ": " + text_of(parts))
'''


async def test_a_text_to_the_console_becomes_a_notice(server):
    answer = await server.call("POST", "/messages/send", SEND, headers={"X-Agent-Id": "default"})
    assert answer["success"] is True
    assert isinstance(answer["message"], str)
    notices = await server.call("GET", "/console/push-messages?session_id=s")
    assert [notice["text"] for notice in notices["messages"]] == ["hello"]


async def test_what_cannot_be_sent_is_an_error_with_its_reason(server):
    error = await server.error("POST", "/messages/send", {**SEND, "channel": "pigeon"}, status=404)
    assert "Known channels: console, " in error["message"]
    await server.error("POST", "/messages/send", {**SEND, "channel": "telegram"}, status=409)
    await server.error("POST", "/messages/send", SEND, status=404, headers={"X-Agent-Id": "nobody"})
    await server.call("POST", "/messages/send", {"channel": "console"}, status=422)


async def test_a_disabled_agent_sends_nothing(server):
    created = await server.call("POST", "/agents", {"name": "second"}, status=201)
    await server.call("PATCH", f"/agents/{created['id']}/toggle", {"enabled": False})
    await server.error("POST", "/messages/send", SEND, status=403, headers={"X-Agent-Id": created["id"]})


async def test_the_state_of_channels_can_be_seen(server):
    ingress = server.services.ingresses.of("default")
    await eventually(lambda: bool(ingress.status()), "the channels were applied")
    await ingress.wait_settled()
    answer = await server.call("GET", "/agents/default/channels/status")
    (console,) = answer["channels"]
    assert (console["channel"], console["state"], console["connects"]) == ("console", "connected", 1)
    assert (console["error"], console["queued"], console["unsent"]) == (None, 0, 0)


async def test_a_custom_channel_brings_messages_to_the_agent_and_its_answers_back(server, tmp_path):
    folder = server.paths.working_dir / "custom_channels"
    folder.mkdir()
    (folder / "mailbox.py").write_text(MAILBOX)
    (tmp_path / "in.txt").write_text("say hi ann")
    before = server.agent_json()
    body = {"mailbox": {"enabled": True, "folder": str(tmp_path)}}
    response = await server.client.put("/api/config/channels", json=body)
    await server.reloaded(response)
    await eventually((tmp_path / "out.txt").exists, "an answer was sent")
    assert (tmp_path / "out.txt").read_text() == "ann: hi ann"
    dispatch = server.services.config.last_dispatch("default")
    assert (dispatch.channel, dispatch.user_id, dispatch.session_id) == ("mailbox", "ann", "mail")
    after = server.agent_json()
    assert after.get("last_dispatch") == before.get("last_dispatch")
    chats = await server.call("GET", "/chats?channel=mailbox")
    assert [chat["session_id"] for chat in chats] == ["mail"]
    assert json.loads((server.paths.working_dir / "runtime.json").read_text())["last_dispatch"]["default"]
