"""Conversations with a damaged past: each goes on, can be looked at, and what was there is kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from copaw.testing.server import RunningServer, message, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1800)]

BOUNDED = 40
TEXT = {"type": "text", "text": "hi"}
CALL = {"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}, "raw_input": '{"at": 1}'}
RESULT = {"type": "tool_result", "id": "c", "name": "look", "output": [TEXT]}
IMAGE = {"type": "image", "source": {"type": "url", "url": "file:///nowhere.png"}}


def _entry(role: str, *blocks: dict[str, Any]) -> list[Any]:
    timestamp = "2026-11-22 14:33:21.004"
    head = {"id": f"{role}{len(blocks)}", "name": role, "role": role, "metadata": None, "timestamp": timestamp}
    return [{**head, "content": list(blocks)}, []]


SESSION = {
    "agent": {
        "memory": {
            "content": [
                _entry("user", TEXT, IMAGE),
                _entry("assistant", {"type": "thinking", "thinking": "so"}, CALL),
                _entry("system", RESULT),
                _entry("assistant", TEXT),
            ],
            "_compressed_summary": "Before.",
        },
        "toolkit": {"active_groups": []},
    }
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    async with running_server(tmp_path_factory.mktemp("sessions")) as running:
        yield running


async def test_a_conversation_with_a_damaged_past_goes_on(
    server: RunningServer, examples: int, damaged: Callable[[Any], st.SearchStrategy[bytes]]
) -> None:
    numbers = iter(range(1_000_000))
    client = httpx.Client(base_url=server.base_url, trust_env=False, timeout=30, headers={"Connection": "close"})

    @settings(
        max_examples=examples // 10 or BOUNDED,
        database=None,
        deadline=None,
        derandomize=not examples,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(content=damaged(SESSION))
    def go_on(content: bytes) -> None:
        session_id = f"s{next(numbers)}"
        file: Path = server.workspace() / "sessions" / f"u_{session_id}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        chat = client.post("/api/chats", json={"session_id": session_id, "user_id": "u"}).json()
        history = client.get(f"/api/chats/{chat['id']}")
        assert history.status_code == 200, history.text
        kept = [other.read_bytes() for other in file.parent.glob(f"{file.stem}.json*")]
        assert content in kept, "looking at it keeps it"
        answer = client.post("/api/agent/process", json=message("say on", session_id=session_id, user_id="u"))
        last = json.loads(answer.text.rsplit("data: ", 1)[1])
        assert last["status"] == "completed", last["error"]
        assert len(json.loads(file.read_text())["agent"]["memory"]["content"]) >= 2
        assert client.get(f"/api/chats/{chat['id']}").status_code == 200

    with client:
        go_on()
    assert "Traceback" not in server.log, server.log[-2000:]
