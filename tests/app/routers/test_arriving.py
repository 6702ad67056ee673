"""A request for a run goes before a change of the configuration, whichever way it came."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from copaw.aiokits.arrivals import Arrivals

PATHS = ("/agent/process", "/console/chat", "/agents/default/agent/process", "/agents/default/console/chat")


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_for_a_run_is_noted(server: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    noted = []
    monkeypatch.setattr(Arrivals, "note", lambda arrivals: noted.append(arrivals))
    body = {"input": [{"role": "user", "content": [{"type": "text", "text": "say hi"}]}]}
    await server.client.post(f"/api{path}", json=body)
    assert noted == [server.services.arrivals]


async def test_one_that_came_through_another_door_is_noted_too(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = []
    monkeypatch.setattr(Arrivals, "note", lambda arrivals: noted.append(arrivals))
    await server.client.post("/api/agent/compatible-mode/v1/responses", json={"model": "m", "input": "say hi"})
    assert noted == [server.services.arrivals]


async def test_for_a_background_task_nobody_waits_like_that(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = []
    monkeypatch.setattr(Arrivals, "note", lambda arrivals: noted.append(arrivals))
    body = {"input": [{"role": "user", "content": [{"type": "text", "text": "say hi"}]}]}
    accepted = await server.call("POST", "/agent/process/task", body)
    await server.call("GET", f"/tasks/{accepted['task_id']}/wait")
    assert noted == []


async def test_runs_go_on_while_a_reload_gives_way(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slot, asked, answered = server.services.manager.slot("default"), asyncio.Event(), asyncio.Event()
    old = slot.current

    async def give_way(_arrivals: Arrivals) -> None:
        asked.set()
        await answered.wait()

    await server.services.config.patch_agent("default", lambda profile: setattr(profile.running, "max_iters", 7))
    monkeypatch.setattr(Arrivals, "give_way", give_way)
    reload = server.services.manager.request_reload("default")
    await asked.wait()
    assert await server.say("say meanwhile") == "meanwhile"
    assert slot.current is old
    answered.set()
    assert (await reload).outcome == "swapped"
