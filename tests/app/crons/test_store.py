"""``jobs.json``: nothing is lost, and a file that cannot be used is left alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from copaw.app.crons.models import CronJobSpec
from copaw.app.crons.store import FileJobStore, Job, job_of
from copaw.errors import ConfigFileError


def spec(job_id: str, **fields: Any) -> dict[str, Any]:
    target = {"user_id": "u", "session_id": "s"}
    job = {"id": job_id, "name": "N", "schedule": {"cron": "* * * * *"}, "task_type": "text", "text": "T"}
    return {**job, "dispatch": {"target": target}, **fields}


def adding(job_id: str) -> Any:
    job = job_of(CronJobSpec.model_validate(spec(job_id)))

    def change(jobs: dict[str, Job]) -> None:
        jobs[job_id] = job

    return change


def ids(path: Path) -> list[str]:
    return [job["id"] for job in json.loads(path.read_text("utf-8"))["jobs"]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.json"


async def test_a_missing_file_is_empty_and_is_not_made_by_reading(path) -> None:
    store = FileJobStore(path)
    assert await store.refresh()
    assert not store.jobs
    assert not path.exists()


async def test_changes_at_the_same_time_are_all_kept(path) -> None:
    store = FileJobStore(path)
    await asyncio.gather(*(store.change(adding(f"j{number}")) for number in range(8)))
    assert sorted(ids(path)) == [f"j{number}" for number in range(8)]


async def test_what_somebody_else_wrote_is_kept(path) -> None:
    store, other = FileJobStore(path), FileJobStore(path)
    await store.change(adding("a"))
    await other.change(adding("b"))
    await store.change(adding("c"))
    assert ids(path) == ["a", "b", "c"]
    assert await other.refresh()
    assert not await other.refresh()


async def test_unknown_fields_are_kept_everywhere(path) -> None:
    job = spec("a", future=1, schedule={"cron": "* * * * *", "until": "x"})
    path.write_text(json.dumps({"version": 3, "more": [1], "jobs": [job]}))
    await FileJobStore(path).change(adding("b"))
    content = json.loads(path.read_text("utf-8"))
    assert (content["version"], content["more"]) == (3, [1])
    assert (content["jobs"][0]["future"], content["jobs"][0]["schedule"]["until"]) == (1, "x")


async def test_a_change_that_changes_nothing_writes_nothing(path) -> None:
    path.write_text('{"jobs": []}')
    before = path.stat().st_mtime_ns
    store = FileJobStore(path)
    await store.change(lambda _jobs: None)
    await store.change(lambda _jobs: None)
    assert path.read_text("utf-8") == '{"jobs": []}'
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", ""),
        (b"\xff", ""),
        (b"[]", "jobs"),
        (json.dumps({"jobs": [spec("a", enabled="perhaps")]}).encode(), "jobs.0.enabled"),
        (json.dumps({"jobs": [spec("a"), spec("a")]}).encode(), "jobs.1.id"),
        (json.dumps({"jobs": [spec("a", runtime={"max_concurrency": 0})]}).encode(), "jobs.0.runtime.max_concurrency"),
    ],
)
async def test_a_broken_file_is_named_with_its_field_and_left_alone(path, content: bytes, field: str) -> None:
    path.write_bytes(content)
    store = FileJobStore(path)
    for work in (store.refresh(), store.change(adding("b"))):
        with pytest.raises(ConfigFileError) as error:
            await work
        assert (error.value.field, error.value.path) == (field, path)
    assert path.read_bytes() == content


async def test_a_file_that_breaks_later_leaves_the_jobs_in_force(path) -> None:
    store = FileJobStore(path)
    await store.change(adding("a"))
    path.write_text("{")
    with pytest.raises(ConfigFileError):
        await store.refresh()
    assert [*store.jobs] == ["a"]


async def test_a_job_that_cannot_be_scheduled_is_kept_with_its_problem(path) -> None:
    path.write_text(json.dumps({"jobs": [spec("a", schedule={"cron": "@daily"})]}))
    store = FileJobStore(path)
    await store.refresh()
    assert store.jobs["a"].trigger is None
    assert "schedule.cron" in (store.jobs["a"].problem or "")
