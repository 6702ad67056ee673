"""``cron_state.json``: both stores keep the same; a damaged file is set aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from copaw.app.crons.state import MAX_HISTORY, EntryState, FileStateStore, MemoryStateStore, Record, StateStore


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return FileStateStore(tmp_path / "cron_state.json") if request.param == "file" else MemoryStateStore()


async def test_what_is_saved_is_loaded(store: StateStore) -> None:
    assert await store.load() == {}
    done = Record(due_at=1.5, started_at=2.0, ended_at=3.0, status="error", error="why", cause="timeout")
    states = {"job:a": EntryState(fingerprint="f", next_due=10.25, last_due=5.0, paused=True, history=[done])}
    await store.save(states)
    states["job:a"].paused = False
    loaded = await store.load()
    assert loaded["job:a"].paused
    assert loaded["job:a"].history == [done]
    assert (loaded["job:a"].next_due, loaded["job:a"].last_due) == (10.25, 5.0)


async def test_what_was_running_is_loaded_as_interrupted(store: StateStore) -> None:
    await store.save({"job:a": EntryState(history=[Record(started_at=1.0)])})
    (record,) = (await store.load())["job:a"].history
    assert (record.status, record.cause) == ("cancelled", "interrupted")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"entries": {"job:a": {"next_due": "soon"}}}'])
async def test_a_damaged_file_is_set_aside(tmp_path, content: bytes) -> None:
    path = tmp_path / "cron_state.json"
    path.write_bytes(content)
    store = FileStateStore(path)
    assert await store.load() == {}
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("cron_state.json.damaged-")
    assert aside.read_bytes() == content


def test_the_history_keeps_the_latest() -> None:
    state = EntryState()
    for number in range(MAX_HISTORY + 5):
        state.note(Record(due_at=float(number)))
    assert (len(state.history), state.history[0].due_at) == (MAX_HISTORY, 5.0)
