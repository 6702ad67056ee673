"""What is kept of tasks that have ended: not more than so many, none longer than so long. Live ones always are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from copaw.app.background.database import sqlite_url
from copaw.app.background.records import TaskQuery, TaskRecord, TaskState
from copaw.app.background.service import TaskService
from copaw.app.background.settings import DAY_S, TaskSettings, task_settings
from copaw.app.background.sql_store import open_sql_store
from copaw.errors import BadInput
from copaw.testing.fake_tasks import FakeRuns


def settings(tmp_path: Path, **environ: str) -> TaskSettings:
    return task_settings(tmp_path, environ, lambda _agent: 1)


def test_how_much_is_kept_is_a_setting(tmp_path: Path) -> None:
    given = settings(tmp_path, COPAW_TASK_KEEP_COUNT="7", COPAW_TASK_KEEP_DAYS="0.5")
    assert (given.keep, given.keep_s, given.owner) == (7, DAY_S / 2, "local")
    assert (settings(tmp_path).keep, settings(tmp_path).keep_s) == (20_000, 30 * DAY_S)


@pytest.mark.parametrize("name", ["COPAW_TASK_KEEP_COUNT", "COPAW_TASK_KEEP_DAYS"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_a_setting_that_is_none_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadInput, match=name):
        settings(tmp_path, **{name: value})


def test_a_shared_database_gets_a_name_for_this_server_that_stays(tmp_path: Path) -> None:
    first = settings(tmp_path, COPAW_DATABASE_URL="postgresql://x/y").owner
    assert first not in ("", "local")
    assert settings(tmp_path, COPAW_DATABASE_URL="postgresql://x/y").owner == first


@pytest.mark.parametrize(
    ("keep", "keep_s", "left"),
    [
        (3, 30 * DAY_S, ["t9", "t8", "t7", "live"]),
        (100, 5.5 * DAY_S, ["t9", "t8", "t7", "t6", "t5", "live"]),
    ],
)
async def test_what_is_too_old_or_too_much_goes_when_the_ledger_is_opened(
    tmp_path: Path, keep: int, keep_s: float, left: list[str]
) -> None:
    url = sqlite_url(tmp_path / "copaw.db")
    store = await open_sql_store(url)
    now = time.time()
    for number in range(10):
        await store.add(record(f"t{number}", TaskState.FAILED, now - (10 - number) * DAY_S))
    await store.add(record("live", TaskState.QUEUED, now - 1000 * DAY_S, owner="another server"))
    await store.aclose()
    tasks = TaskService(lambda: open_sql_store(url), FakeRuns(), TaskSettings(keep=keep, keep_s=keep_s))

    async def ids() -> list[str]:
        return [task.id for task in (await tasks.page(TaskQuery(limit=100))).tasks]

    for _ in range(200):
        if await ids() == left:
            break
    assert await ids() == left
    await tasks.aclose()


def record(task_id: str, state: TaskState, at: float, owner: str = "local") -> TaskRecord:
    return TaskRecord(
        id=task_id, agent_id="a", session_id="s", user_id="u", state=state, created_at=at, timeout_s=1.0, owner=owner,
        ended_at=at if state.terminal else None,
    )  # fmt: skip
