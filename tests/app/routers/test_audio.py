"""What becomes of images, sound and files in messages, up to what the model is sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from copaw.testing.model_server import ModelServer, running_model_server

PNG = b"\x89PNG\r\n\x1a\n0000"


@pytest.fixture
async def model(server) -> Any:
    """A scripted model that is the default agent's."""
    async with running_model_server() as running:
        body = {
            "id": "mine",
            "name": "Mine",
            "default_base_url": running.base_url,
            "models": [{"id": "m", "name": "m"}],
        }
        await server.call("POST", "/models/custom-providers", body, status=201)
        await server.call("PUT", "/models/mine/config", {"api_key": "k"})
        await server.call("PUT", "/models/active", {"provider_id": "mine", "model": "m", "scope": "global"})
        await server.services.manager.reload_agent("default")
        yield running


async def send(server, *content: Any, session: str = "s") -> Any:
    body = {"input": [{"role": "user", "content": [*content]}], "session_id": session, "user_id": "u"}
    answer = await server.client.post("/api/console/chat", json=body)
    return json.loads(answer.text.strip().rsplit("data: ", 1)[1])


async def uploaded(server, name: str, content: bytes) -> str:
    answer = await server.client.post("/api/console/upload", files={"file": (name, content)})
    return answer.json()["url"]


async def last_prompt(model: ModelServer) -> list[Any]:
    """The content of the last user message that the model was sent."""
    record = await model.record(received=1)
    return [message for message in record["requests"][-1]["messages"] if message["role"] == "user"][-1]["content"]


async def told(model: ModelServer) -> str:
    """Its text."""
    content = await last_prompt(model)
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


async def history(server) -> list[Any]:
    (chat,) = await server.call("GET", "/chats")
    return (await server.call("GET", f"/chats/{chat['id']}"))["messages"][0]["content"]


TEXT = {"type": "text", "text": "say fine"}


async def test_an_uploaded_image_reaches_the_model_and_is_in_the_history(server, model):
    url = await uploaded(server, "cat.png", PNG)
    assert (await send(server, TEXT, {"type": "image", "image_url": url}))["status"] == "completed"
    encoded = base64.b64encode(PNG).decode()
    assert (await last_prompt(model))[1] == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{encoded}"},
    }
    assert [item.get("image_url") for item in await history(server)] == [None, url]


async def test_an_image_inside_the_message_becomes_a_file_and_reaches_the_model(server, model):
    encoded = base64.b64encode(PNG).decode()
    await send(server, TEXT, {"type": "image", "image_url": f"data:image/png;base64,{encoded}"})
    assert (await last_prompt(model))[1]["image_url"]["url"].endswith(encoded)
    path = (await history(server))[1]["image_url"]
    assert path.startswith(str(server.services.config.workspace_dir("default") / "media"))
    shown = await server.client.get(f"/api/files/preview/{path}")
    assert shown.content == PNG


async def test_a_file_is_named_to_the_agent_which_can_open_it(server, model):
    url = await uploaded(server, "notes.txt", b"the notes")
    sent = await send(server, TEXT, {"type": "file", "file_url": url, "filename": "notes.txt"})
    assert sent["status"] == "completed", sent
    assert f"[File notes.txt: {url}]" in await told(model)
    assert (await history(server))[1]["file_url"] == url
    last = await send(server, {"type": "text", "text": f'call read_file {{"file_path": "{url}"}}\nsay {{1}}'})
    assert "the notes" in last["output"][-1]["content"][0]["text"]


async def test_an_image_that_is_gone_does_not_spoil_the_conversation(server, model):
    url = await uploaded(server, "cat.png", PNG)
    await send(server, TEXT, {"type": "image", "image_url": url})
    next(iter((server.services.config.workspace_dir("default") / "media").iterdir())).unlink()
    assert (await send(server, TEXT))["status"] == "completed"
    assert (await send(server, TEXT, {"type": "image", "image_url": "/etc/passwd"}))["status"] == "completed"
    assert "there is no such file" in await told(model)


async def test_an_image_that_a_tool_looks_at_reaches_the_model(server, model):
    (server.services.config.workspace_dir("default") / "cat.png").write_bytes(PNG)
    await send(server, {"type": "text", "text": 'call view_image {"image_path": "cat.png"}\nsay fine'})
    assert [part["type"] for part in await last_prompt(model)] == ["text", "image_url"]


async def test_content_that_is_too_large_or_no_base64_is_refused_by_name(server, model):
    for data in ("?" * 10, "A" * 15_000_000):
        last = await send(server, TEXT, {"type": "image", "image_url": f"data:image/png;base64,{data}"})
        assert "input.0.content.1.image_url" in last["error"]["message"]


async def test_sound_is_named_transcribed_or_given_as_the_settings_say(server, model):
    url = await uploaded(server, "voice.mp3", b"ID3say hello")
    sound = {"type": "audio", "data": url}
    await send(server, TEXT, sound)
    assert f"[Audio: {url}]" in await told(model)

    await server.call("PUT", "/agent/transcription-provider", {"provider_id": "mine"})
    await server.call("PUT", "/agent/transcription-provider-type", {"transcription_provider_type": "whisper_api"})
    last = await send(server, sound, session="s2")
    assert last["output"][-1]["content"][0]["text"] == "hello"
    requests = (await model.record())["requests"]
    assert {"model": "whisper-1", "file": url.rsplit("/", 1)[1]} in requests

    await server.call("PUT", "/agent/audio-mode", {"audio_mode": "native"})
    await send(server, TEXT, sound, session="s3")
    assert (await last_prompt(model))[1]["input_audio"]["format"] == "mp3"


async def test_sound_that_cannot_be_transcribed_is_told_and_the_run_goes_on(server, model):
    await server.call("PUT", "/agent/transcription-provider-type", {"transcription_provider_type": "whisper_api"})
    url = await uploaded(server, "voice.mp3", b"noise")
    assert (await send(server, TEXT, {"type": "audio", "data": url}))["status"] == "completed"
    assert "No provider is chosen" in await told(model)
    await server.call("PUT", "/agent/transcription-provider", {"provider_id": "mine"})
    await send(server, TEXT, {"type": "audio", "data": url})
    assert "this is no sound" in await told(model)


async def test_settings_are_answered_as_in_1_0_2(server, model):
    assert await server.call("GET", "/agent/audio-mode") == {"audio_mode": "auto"}
    kind = await server.call("GET", "/agents/default/agent/transcription-provider-type")
    assert kind == {"transcription_provider_type": "disabled"}
    listed = await server.call("GET", "/agent/transcription-providers")
    assert listed["configured_provider_id"] == ""
    assert {"id": "mine", "name": "Mine", "available": True} in listed["providers"]
    assert "anthropic" not in [provider["id"] for provider in listed["providers"]]
    assert await server.call("PUT", "/agent/transcription-provider", {"provider_id": ""}) == {"provider_id": ""}
    status = await server.call("GET", "/agent/local-whisper-status")
    assert status["available"] is False
    assert {"ffmpeg_installed", "whisper_installed"} <= status.keys()


async def test_settings_that_could_have_no_effect_are_refused_by_name(server):
    error = await server.error(
        "PUT", "/agent/transcription-provider-type", {"transcription_provider_type": "local_whisper"}, status=501
    )
    assert error["message"].startswith("transcription_provider_type: ")
    for provider_id in ("nobody", "anthropic", "openai"):
        error = await server.error("PUT", "/agent/transcription-provider", {"provider_id": provider_id}, status=422)
        assert error["field"] == "provider_id"
    for path, body in (("audio-mode", {"audio_mode": "loud"}), ("transcription-provider-type", {})):
        await server.call("PUT", f"/agent/{path}", body, status=422)
