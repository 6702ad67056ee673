"""The jobs of one agent: ``jobs.json``, in memory and on disk.

A file that cannot be used is left as it is: reading it raises, and so does every change. A file that somebody else has
changed is taken over before it is changed here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pydantic import ValidationError

from copaw.aiokits.files import decode_json, encode_json, write_atomic
from copaw.app.crons.checks import check_job
from copaw.app.crons.models import CronJobSpec, JobsFile
from copaw.app.crons.triggers import Trigger
from copaw.config.problems import file_error
from copaw.config.shielded import to_the_end
from copaw.errors import BadInput, ConfigFileError, Conflict

_MAX_RETRIES = 5
_DIGEST_OF_NOTHING = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job and when it is due. ``trigger`` is ``None`` if it cannot be scheduled; ``problem`` says why then."""

    spec: CronJobSpec
    trigger: Trigger | None
    problem: str | None = None


Change = Callable[[dict[str, Job]], None]
"""Edits jobs by id, in place."""


class JobStore(Protocol):
    """Where jobs are kept."""

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs by id, as of the last reading, in the order of the file."""

    async def refresh(self) -> bool:
        """Take over what is stored; ``True`` if it changed. :raises ConfigFileError: it cannot be used."""

    async def change(self, change: Change) -> None:
        """Change the jobs and store them. :raises ConfigFileError: what is stored cannot be used, or written."""


def job_of(spec: CronJobSpec) -> Job:
    """The job of a spec that may be unusable. Blocking: time zones are read from files."""
    try:
        return Job(spec, check_job(spec))
    except BadInput as error:
        return Job(spec, None, error.message)


class FileJobStore:
    """Jobs in a file. A missing file is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._digest: str | None = None
        self._file = JobsFile()
        self._jobs: dict[str, Job] = {}

    @property
    def jobs(self) -> Mapping[str, Job]:
        return MappingProxyType(self._jobs)

    async def refresh(self) -> bool:
        async with self._lock:
            return await self._refresh()

    async def _refresh(self) -> bool:
        found = await asyncio.to_thread(_read, self._path, self._digest)
        if found is None:
            return False
        self._digest, self._file, self._jobs = found
        return True

    async def change(self, change: Change) -> None:
        async with self._lock:
            # A write that has begun is finished, whatever becomes of whoever wanted it.
            await to_the_end(self._change(change), name=f"jobs:{self._path.parent.name}")

    async def _change(self, change: Change) -> None:
        for _attempt in range(_MAX_RETRIES):
            await self._refresh()
            jobs = dict(self._jobs)
            change(jobs)
            if jobs == self._jobs:
                return
            file = self._file.model_copy(update={"jobs": [job.spec for job in jobs.values()]})
            content = encode_json(file.model_dump(mode="json"))
            assert self._digest is not None
            if await asyncio.to_thread(_replace, self._path, self._digest, content):
                self._digest, self._file, self._jobs = _digest(content), file, jobs
                return
        raise Conflict(f"{self._path} is being written by somebody else all the time. Try again later.")


def _digest(content: bytes | None) -> str:
    return _DIGEST_OF_NOTHING if content is None else hashlib.sha256(content).hexdigest()


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigFileError(path, f"cannot be read: {error.strerror}") from error


def _read(path: Path, known: str | None) -> tuple[str, JobsFile, dict[str, Job]] | None:
    content = _bytes_of(path)
    digest = _digest(content)
    if digest == known:
        return None
    file = JobsFile() if content is None else _parse(path, content)
    return digest, file, _by_id(path, file)


def _parse(path: Path, content: bytes) -> JobsFile:
    try:
        raw = decode_json(content)
    except ValueError as error:
        raise ConfigFileError(path, f"{error}. Mend the file or restore a copy of it") from error
    if not isinstance(raw, dict):
        raise ConfigFileError(path, "must hold a JSON object with a list named 'jobs'", field="jobs")
    try:
        return JobsFile.model_validate(raw)
    except ValidationError as error:
        raise file_error(path, error) from error


def _by_id(path: Path, file: JobsFile) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for position, spec in enumerate(file.jobs):
        if spec.id in jobs:
            raise ConfigFileError(path, "two jobs have this id", field=f"jobs.{position}.id", value=repr(spec.id))
        jobs[spec.id] = job_of(spec)
    return jobs


def _replace(path: Path, expected: str, content: bytes) -> bool:
    found = _bytes_of(path)
    if _digest(found) != expected:
        return False
    try:
        write_atomic(path, content)
    except OSError as error:
        raise ConfigFileError(path, f"cannot be written: {error.strerror}. It is as it was before") from error
    return True


class MemoryJobStore:
    """Jobs that end with the process."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    @property
    def jobs(self) -> Mapping[str, Job]:
        return MappingProxyType(self._jobs)

    async def refresh(self) -> bool:
        return False

    async def change(self, change: Change) -> None:
        jobs = dict(self._jobs)
        change(jobs)
        self._jobs = jobs
