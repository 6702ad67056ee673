from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

SAMPLE = json.loads((Path(__file__).parents[2] / "contract" / "samples" / "heartbeat.json").read_text())
PATH = "/config/heartbeat"


async def next_wake_up(server) -> datetime | None:
    found = (await server.call("GET", f"{PATH}/state"))["next_run_at"]
    return None if found is None else datetime.fromisoformat(found)


async def test_the_heartbeat_of_a_new_home_is_that_of_1_0_2(server):
    assert await server.call("GET", PATH) == SAMPLE


async def test_a_change_counts_at_once_and_reloads_nothing(server):
    await server.services.ready.wait()
    was = server.generation()
    assert await next_wake_up(server) is None
    answer = await server.call("PUT", PATH, {"enabled": True, "every": "30m", "future": 1})
    assert answer == {**SAMPLE, "enabled": True, "every": "30m", "future": 1}
    assert await server.call("GET", PATH) == answer
    assert server.agent_json()["heartbeat"] == answer
    half_hourly = await next_wake_up(server)
    await server.call("PUT", PATH, {"every": "1h30m"})
    assert 3590 < (await next_wake_up(server) - half_hourly).total_seconds() < 3610
    await server.call("PUT", PATH, {"enabled": False})
    assert await next_wake_up(server) is None
    assert server.generation() == was
    assert not server.services.manager.slot("default").revisions.pending


async def test_an_agent_has_its_own(server):
    other = (await server.call("POST", "/agents", {"name": "Other"}, status=201))["id"]
    await server.call("PUT", f"/agents/{other}{PATH}", {"enabled": True})
    assert (await server.call("GET", f"/agents/{other}{PATH}"))["enabled"] is True
    assert (await server.call("GET", PATH))["enabled"] is False


async def test_what_is_not_valid_names_the_field_and_changes_nothing(server):
    before = server.agent_json()
    for body, field in [
        ({"every": "soon"}, "every"),
        ({"every": "* * * *"}, "every"),
        ({"every": "5s"}, "every"),
        ({"every": 5}, "every"),
        ({"target": "all"}, "target"),
        ({"activeHours": {"start": "8"}}, "activeHours.start"),
        ({"activeHours": {"end": "25:00"}}, "activeHours.end"),
        ({"activeHours": "day"}, "activeHours"),
    ]:
        assert (await server.error("PUT", PATH, body, status=422))["field"] == field
    assert server.agent_json() == before


async def test_an_old_revision_is_refused(server):
    old = (await server.client.get(f"/api{PATH}")).headers["ETag"]
    await server.call("PUT", PATH, {"every": "2h"}, headers={"If-Match": old})
    await server.error("PUT", PATH, {"every": "3h"}, status=409, headers={"If-Match": old})
