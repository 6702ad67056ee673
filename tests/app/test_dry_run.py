"""A dry run says what a reload would do, and does nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from copaw.app.dry_run import dry_run
from copaw.app.services import Services, open_services
from copaw.ports import Json
from copaw.testing.home import fresh_home


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(fresh_home(tmp_path), shutdown_grace_s=0.0) as services:
        await services.ready.wait()
        yield services


async def preview(services: Services, proposed: Json | None = None) -> Json:
    return await dry_run(services.generations, services.manager.slot("default"), proposed)


async def test_nothing_to_do_is_said_and_nothing_is_done(services: Services) -> None:
    before = services.generations.files("default").agent_file.read_bytes()
    assert (await preview(services))["outcome"] == "unchanged"
    assert (await preview(services, {"running": {"max_iters": 7}}))["outcome"] == "swapped"
    current = services.manager.slot("default").current
    assert current is not None
    assert current.generation == 1
    assert services.generations.files("default").agent_file.read_bytes() == before


async def test_a_change_names_what_is_rebuilt_shared_and_restarted(services: Services) -> None:
    proposed = {"running": {"max_iters": 7}, "channels": {"console": {"bot_prefix": "x"}}}
    report = await preview(services, proposed)
    assert report["changed"] == ["channels.console.bot_prefix", "running.max_iters"]
    assert report["restarted"] == ["channel:console"]
    assert "runner" in report["rebuilt"]
    assert "model" in report["shared"]


async def test_an_mcp_client_that_stays_is_shared_and_one_that_changes_is_rebuilt(services: Services) -> None:
    def client(command: str) -> Json:
        return {"name": command, "command": command, "enabled": False}

    def add(profile: object) -> None:
        profile.mcp = {"clients": {"a": client("a"), "b": client("b")}}  # type: ignore[attr-defined]

    await services.config.patch_agent("default", add)
    await services.manager.reload_agent("default")
    report = await preview(services, {"mcp": {"clients": {"b": {"enabled": True}}}})
    assert "mcp:b" in report["rebuilt"]
    assert "mcp:a" not in report["rebuilt"]


async def test_leases_that_would_be_left_draining_are_named(services: Services) -> None:
    _, lease = services.manager.acquire("default", "task", "t-1")
    report = await preview(services, {"description": "new"})
    assert [held["key"] for held in report["draining"]] == ["t-1"]
    lease.release()


async def test_a_bad_proposal_names_the_field(services: Services) -> None:
    report = await preview(services, {"running": {"max_iters": 0}})
    assert report["outcome"] == "failed"
    assert "running.max_iters" in report["error"]
