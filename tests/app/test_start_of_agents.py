"""Many agents start one after the other; who wants one of them does not wait for the others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from copaw.app.generation import Generations
from copaw.app.services import open_services
from copaw.config.home import make_agent_workspace
from copaw.config.models import AgentProfileRef, new_profile
from copaw.config.snapshot import AgentSnapshot
from copaw.config.store import ConfigStore
from copaw.paths import Paths
from copaw.testing.eventually import eventually
from copaw.testing.home import fresh_home, request

FURTHER = [f"further{number}" for number in range(4)]


@pytest.fixture
async def home(tmp_path: Path) -> Paths:
    paths = fresh_home(tmp_path)
    store = ConfigStore(paths)
    await store.load()
    for agent_id in FURTHER:
        root = paths.default_workspace(agent_id)
        profile = new_profile(agent_id, agent_id, workspace_dir=str(root), language="en")
        await asyncio.to_thread(make_agent_workspace, root, profile, "en", paths=paths)
        await store.add_agent(AgentProfileRef(id=agent_id, workspace_dir=str(root)), profile)
    await store.patch_root(lambda root: setattr(root.agents, "active_agent", FURTHER[2]))
    return paths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The agents whose start has begun, in that order."""
    order: list[str] = []
    reading = Generations.read

    async def noted(self: Generations, agent_id: str) -> AgentSnapshot:
        order.append(agent_id)
        return await reading(self, agent_id)

    monkeypatch.setattr(Generations, "read", noted)
    return order


async def test_the_active_agent_starts_first_and_all_are_ready_in_the_end(home: Paths, read: list[str]) -> None:
    async with open_services(home, shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        assert read == [FURTHER[2], "default", *(agent_id for agent_id in FURTHER if agent_id != FURTHER[2])]
        assert {slot.state for slot in services.manager.slots()} == {"serving"}


async def test_who_wants_something_of_an_agent_does_not_wait_for_its_turn(
    home: Paths, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copaw.app.services.TURN_S", 3600.0)
    hanging = asyncio.Event()
    reading = Generations.read

    async def hangs(self: Generations, agent_id: str) -> AgentSnapshot:
        if agent_id == FURTHER[2]:
            await hanging.wait()
        return await reading(self, agent_id)

    monkeypatch.setattr(Generations, "read", hangs)
    async with open_services(home, shutdown_grace_s=0.0) as services:
        await asyncio.sleep(0)
        run = await services.runner.start(request("say hello"), FURTHER[3], kind="stream")
        assert (await run.wait_end())["status"] == "completed"
        assert read == [FURTHER[3]]
        assert services.manager.slot(FURTHER[0]).state == "starting"
        hanging.set()
        await services.ready.wait()


async def test_an_agent_whose_start_hangs_does_not_hold_up_the_others(
    home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Generations.read

    async def hangs(self: Generations, agent_id: str) -> AgentSnapshot:
        if agent_id == FURTHER[2]:
            await asyncio.Event().wait()
        return await reading(self, agent_id)

    monkeypatch.setattr(Generations, "read", hangs)
    async with open_services(home, shutdown_grace_s=0.0) as services:
        await asyncio.sleep(0)
        slots = [slot for slot in services.manager.slots() if slot.agent_id != FURTHER[2]]
        await eventually(lambda: {slot.state for slot in slots} == {"serving"}, "the others serve")
        assert len(slots) == len(FURTHER)
        assert not services.ready.is_set()
