"""Settings of the whole server: the user's time zone, the language of the console."""

from __future__ import annotations

import json

import pytest


async def test_the_time_zone_is_kept_and_counts_at_once(server):
    assert (await server.call("GET", "/config/user-timezone")).keys() == {"timezone"}
    answer = await server.call("PUT", "/config/user-timezone", {"timezone": " Asia/Kathmandu "})
    assert answer == {"timezone": "Asia/Kathmandu"}
    assert await server.call("GET", "/agents/default/config/user-timezone") == answer
    assert json.loads(server.paths.config_file.read_text())["user_timezone"] == "Asia/Kathmandu"
    assert "Asia/Kathmandu" in await server.say("call get_current_time {}\nsay {1}")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "A" * 5000, "a\0b"])
async def test_a_zone_that_does_not_exist_is_refused_and_nothing_changes(server, name):
    before = server.paths.config_file.read_text()
    error = await server.error("PUT", "/config/user-timezone", {"timezone": name}, status=422)
    assert error["field"] == "timezone"
    assert server.paths.config_file.read_text() == before
    await server.call("PUT", "/config/user-timezone", {"zone": "UTC"}, status=422)


async def test_the_heartbeat_follows_the_time_zone(server):
    await server.call("PUT", "/config/user-timezone", {"timezone": "UTC"})
    await server.call("PUT", "/config/heartbeat", {"enabled": True, "every": "30 4 * * *"})
    utc = (await server.call("GET", "/config/heartbeat/state"))["next_run_at"]
    for change in (
        lambda: server.call("PUT", "/config/user-timezone", {"timezone": "Asia/Kathmandu"}),
        lambda: server.say('call set_user_timezone {"timezone_name": "UTC"}'),
    ):
        await change()
        moved = (await server.call("GET", "/config/heartbeat/state"))["next_run_at"]
        assert moved != utc
        utc = moved


async def test_the_language_of_the_console_is_kept_beside_what_else_is_in_the_file(server):
    assert await server.call("GET", "/settings/language") == {"language": "en"}
    path = server.paths.working_dir / "settings.json"
    path.write_text('{"theme": "dark"}')
    assert await server.call("PUT", "/settings/language", {"language": "zh"}) == {"language": "zh"}
    assert await server.call("GET", "/settings/language") == {"language": "zh"}
    assert json.loads(path.read_text()) == {"theme": "dark", "language": "zh"}


async def test_a_language_that_is_none_is_refused(server):
    error = await server.error("PUT", "/settings/language", {"language": "no language"}, status=422)
    assert error["field"] == "language"
    await server.call("PUT", "/settings/language", {"language": 1}, status=422)


@pytest.mark.parametrize("content", ["{broken", "[]", '{"language": 1}'])
async def test_a_broken_settings_file_is_reported_and_never_overwritten(server, content):
    path = server.paths.working_dir / "settings.json"
    path.write_text(content)
    assert "settings.json" in (await server.error("GET", "/settings/language", status=500))["message"]
    if content != '{"language": 1}':
        await server.error("PUT", "/settings/language", {"language": "zh"}, status=500)
        assert path.read_text() == content
