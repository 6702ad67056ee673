"""``copaw doctor`` against a real server with a real model server behind it."""

from __future__ import annotations

import json

import pytest

from copaw.testing.server import RunningServer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_server_that_works_has_nothing_broken(server: RunningServer) -> None:
    await server.ask("say hello")
    done = await server.cli("doctor", "--json")
    document = json.loads(done.stdout)
    assert [one for one in document["findings"] if one["level"] == "error"] == []
    assert done.returncode == 0
    told = {one["check"]: one["what"] for one in document["findings"] if one["level"] == "ok"}
    assert "is ready" in told["server"]
    assert "answers after" in told["model"]
    assert "can be used" in told["database"]
    assert "A copaw server listens" in told["port"]
