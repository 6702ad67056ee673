"""The server as copaw runs it: its access log, and when Python looks for garbage."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from copaw.cli.serve import SETTLE_S, HideTokens, Server


@pytest.fixture(autouse=True)
def _garbage_as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def started(tmp_path: Path, state: dict[str, Any]) -> Server:
    """A server whose application has come up, as far as :meth:`Server._settle` can see."""
    server = Server(uvicorn.Config("none:app"), runtime_file=tmp_path / "runtime.json", hidden_paths=())
    server.lifespan = SimpleNamespace(state=state)  # type: ignore[assignment]
    return server


async def test_nothing_is_collected_until_everything_is_loaded(tmp_path: Path) -> None:
    ready = asyncio.Event()
    gc.disable()
    settling = asyncio.create_task(started(tmp_path, {"ready": ready})._settle())
    await asyncio.sleep(0)
    assert not gc.isenabled()
    ready.set()
    await settling
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000


@pytest.mark.looptime
async def test_an_agent_that_takes_long_to_start_does_not_stop_collection(tmp_path: Path) -> None:
    gc.disable()
    await started(tmp_path, {"ready": asyncio.Event()})._settle()
    assert gc.isenabled()
    assert asyncio.get_running_loop().time() == SETTLE_S


async def test_a_server_that_never_came_up_leaves_collection_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_self: uvicorn.Server, _sockets: Any = None) -> None:
        assert not gc.isenabled()
        raise RuntimeError("it did not start")

    monkeypatch.setattr(uvicorn.Server, "serve", fails)
    with pytest.raises(RuntimeError):
        await started(tmp_path, {}).serve()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/tasks/1/events?token=abc.def", "/api/tasks/1/events?token=***"),
        ("/a?x=1&token=abc&y=2", "/a?x=1&token=***&y=2"),
        ("/a?token=", "/a?token="),
        ("/a?mytoken=abc", "/a?mytoken=abc"),
        ("/a", "/a"),
    ],
)
def test_the_access_log_has_no_token(path: str, shown: str) -> None:
    arguments = ("127.0.0.1:5", "GET", path, "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert HideTokens().filter(record)
    assert record.getMessage() == f'127.0.0.1:5 - "GET {shown} HTTP/1.1" 200'
