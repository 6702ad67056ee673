from __future__ import annotations

import json
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"


async def test_the_channels_of_a_new_home_are_those_of_1_0_2(server):
    sample = json.loads((SAMPLES / "channels.json").read_text())
    shown = await server.call("GET", "/config/channels")
    assert list(shown) == list(sample)
    for name, section in sample.items():
        assert {key: shown[name][key] for key in section if key != "welcome_greeting"} == {
            key: value for key, value in section.items() if key != "welcome_greeting"
        }


async def test_the_channel_types_are_those_of_1_0_2(server):
    sample = json.loads((SAMPLES / "channel_types.json").read_text())
    assert await server.call("GET", "/config/channels/types") == sample


async def test_channels_sent_back_as_they_were_read_change_nothing(server):
    on_disk = server.agent_json()
    shown = await server.call("GET", "/config/channels")
    answer = await server.call("PUT", "/config/channels", shown)
    assert "isBuiltin" not in answer["console"]
    assert server.agent_json() == on_disk


async def test_a_change_of_channels_keeps_the_others_and_reloads(server):
    await server.call("PUT", "/config/channels/qq", {"app_id": "1", "future": 5})
    was = server.generation()
    body = {"telegram": {"bot_token": "t"}, "my_channel": {"enabled": True, "isBuiltin": False}}
    response = await server.client.put("/api/config/channels", json=body)
    assert await server.reloaded(response) > was
    assert response.json()["telegram"]["bot_token"] == "t"
    shown = await server.call("GET", "/config/channels")
    assert (shown["qq"]["app_id"], shown["qq"]["future"]) == ("1", 5)
    assert shown["my_channel"] == {"enabled": True, "isBuiltin": False}
    assert server.agent_json()["channels"]["my_channel"] == {"enabled": True}


async def test_one_channel_is_shown_and_changed(server):
    was = server.generation()
    response = await server.client.put("/api/config/channels/discord", json={"bot_token": "t", "isBuiltin": True})
    answer = response.json()
    assert (answer["bot_token"], answer["enabled"]) == ("t", False)
    assert await server.reloaded(response) > was
    assert await server.call("GET", "/config/channels/discord") == answer
    assert "isBuiltin" not in answer


async def test_an_agent_that_configures_no_channels_has_the_defaults(server):
    await server.call("PUT", "/agents/default", {"channels": None})
    assert (await server.call("GET", "/config/channels/console"))["enabled"] is True
    await server.call("PUT", "/config/channels/qq", {"enabled": True})
    assert server.agent_json()["channels"]["qq"]["enabled"] is True


async def test_an_unknown_channel_is_not_found_and_the_known_ones_are_named(server):
    for method, path, body in [
        ("GET", "/config/channels/nothing", None),
        ("PUT", "/config/channels/nothing", {"enabled": True}),
        ("GET", "/config/channels/nothing/qrcode", None),
    ]:
        assert "telegram" in (await server.error(method, path, body, status=404))["message"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/config/channels", {"qq": {"max_reconnect_attempts": "many"}}, "qq.max_reconnect_attempts"),
        ("/config/channels", {"qq": True}, "qq"),
        ("/config/channels", {"mine": None}, "mine"),
        ("/config/channels/telegram", {"dm_policy": "closed"}, "telegram.dm_policy"),
        ("/config/channels/discord", {"bot_token": 5}, "discord.bot_token"),
    ],
)
async def test_a_channel_that_is_not_valid_names_the_field(server, path, body, field):
    before = server.agent_json()
    error = await server.error("PUT", path, body, status=422)
    assert error["field"] == field
    assert server.agent_json() == before


async def test_an_old_revision_is_refused(server):
    old = (await server.client.get("/api/config/channels/qq")).headers["ETag"]
    assert old == (await server.client.get("/api/config/channels")).headers["ETag"]
    await server.call("PUT", "/config/channels/qq", {"app_id": "1"}, headers={"If-Match": old})
    for path in ("/config/channels", "/config/channels/qq"):
        await server.error("PUT", path, {}, status=409, headers={"If-Match": old})


async def test_qr_codes_say_that_they_are_not_there(server):
    for path in ("/config/channels/weixin/qrcode", "/config/channels/weixin/qrcode/status?token=t"):
        assert "QR code" in (await server.error("GET", path, status=501))["message"]
    await server.call("GET", "/config/channels/weixin/qrcode/status", status=422)


async def test_a_custom_channel_can_be_forgotten_and_a_built_in_one_cannot(server):
    await server.call("PUT", "/config/channels", {"my_channel": {"enabled": False}, "qq": {"app_id": "1"}})
    response = await server.client.delete("/api/config/channels/my_channel")
    assert response.json() == {"deleted": True}
    await server.reloaded(response)
    assert "my_channel" not in server.agent_json()["channels"]
    assert server.agent_json()["channels"]["qq"]["app_id"] == "1"
    assert (await server.client.delete("/api/config/channels/my_channel")).status_code == 404
    assert (await server.client.delete("/api/config/channels/qq")).status_code == 409
    assert server.agent_json()["channels"]["qq"]["app_id"] == "1"
