"""Taking a workspace out of the server, and laying one over the workspace of an agent that is at work.

An upload is unpacked and checked beside the workspace before anything is changed, and what the workspace held is kept
as an archive. Whatever has an owner in memory is given to that owner: ``agent.json`` to the configuration, chats to the
chat list, sessions under their locks. Runs go on; a reload follows.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from copaw.aiokits.files import copy_atomic, read_json
from copaw.app.crons.models import JobsFile
from copaw.app.crons.state import STATE_NAME
from copaw.app.runner.chats import ChatSpec, read_chats
from copaw.app.services import Services
from copaw.app.workspace_archive import Member, members, packed, unpack
from copaw.config.digest import RUN_TIME_STATE
from copaw.config.models import AgentProfileConfig
from copaw.config.problems import input_error
from copaw.config.shielded import to_the_end
from copaw.errors import BadInput, Conflict, CopawError
from copaw.paths import WorkspacePaths
from copaw.ports import Json

_KEPT_FIELDS = {"id", "workspace_dir", *RUN_TIME_STATE}
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
_PRIVATE_DIRECTORY, _PRIVATE_FILE = 0o700, 0o600

T = TypeVar("T")


class HalfApplied(CopawError):
    """An upload could not be applied to its end."""


@dataclass(slots=True)
class Upload:
    """What is laid over a workspace, unpacked and checked.

    :param names: files that take their place as they are, below ``staging``.
    :param skipped: files of the archive that belong to a running server.
    """

    staging: Path
    names: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    profile: AgentProfileConfig | None = None
    chats: list[ChatSpec] | None = None


async def download(services: Services, agent_id: str) -> Iterator[bytes]:
    """The agent's workspace as a ZIP archive, piece by piece; each file in it is whole.

    :raises PayloadTooLarge: the workspace is too large for one.
    """
    await (await services.chats.of(agent_id)).flush()
    root, paths = services.generations.files(agent_id).root, services.paths
    return packed(await asyncio.to_thread(members, root, (paths.secret_dir, paths.backups_dir)))


async def upload(services: Services, agent_id: str, archive: BinaryIO) -> Json:
    """Lay the files of an archive over an agent's workspace. What is not in it stays. The reload is the caller's.

    :raises BadInput, PayloadTooLarge: the archive cannot be used.
    :raises Conflict: a session in it is in use, or something is in the way of a file.
    :raises HalfApplied: a file could not be written; it names the archive of what was there before.
    """
    files = services.generations.files(agent_id)
    async with services.locks.hold(("upload", files.root)):
        staging = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=".upload-", dir=services.paths.working_dir))
        try:
            wanted = await asyncio.to_thread(_prepared, archive, Upload(staging), files, agent_id)
            async with _sessions_held(services, files, wanted):
                return await to_the_end(_applied(services, agent_id, files, wanted), name=f"upload:{agent_id}")
        finally:
            await to_the_end(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True), name="upload:clean")


# -- checking ------------------------------------------------------------------------------------------------------


def _prepared(archive: BinaryIO, wanted: Upload, files: WorkspacePaths, agent_id: str) -> Upload:
    for name in unpack(archive, wanted.staging):
        path = wanted.staging / name
        if name == files.agent_file.name:
            wanted.profile = _checked(path, lambda found: _profile(found, agent_id))
        elif name == files.chats_file.name:
            wanted.chats = _checked(path, partial(_chats, path))
        elif name == STATE_NAME or name.endswith(".lock"):
            wanted.skipped.append(name)
        else:
            if name == files.jobs_file.name:
                _checked(path, JobsFile.model_validate)
            _check_place(files.root, name)
            wanted.names.append(name)
    return wanted


def _profile(found: Json, agent_id: str) -> AgentProfileConfig:
    # Whose it is follows from where it is put.
    return AgentProfileConfig.model_validate({"name": agent_id, **found, "id": agent_id})


def _chats(path: Path, _found: Json) -> list[ChatSpec]:
    return read_chats(path)[0]


def _checked(path: Path, parse: Callable[[Json], T]) -> T:
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise BadInput("must hold a JSON object")
        return parse(found)
    except ValidationError as error:
        why = input_error(error).message
    except CopawError as error:
        why = error.message
    except ValueError as error:
        why = str(error)
    raise BadInput(f"file: {path.name} cannot be used: {why}. Nothing was changed.", field="file")


def _check_place(root: Path, name: str) -> None:
    target = root / name
    for parent in target.parents:
        if parent == root:
            break
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise Conflict(f"{name} cannot be put into the workspace: {parent} is no directory. Nothing was changed.")
    if target.is_dir() and not target.is_symlink():
        raise Conflict(f"{name} cannot be put into the workspace: there is a directory. Nothing was changed.")


@asynccontextmanager
async def _sessions_held(services: Services, files: WorkspacePaths, wanted: Upload) -> AsyncIterator[None]:
    """Hold every session that is replaced, so that no run begins on one. None waits: all of them are free."""
    paths = [files.root / name for name in wanted.names if (files.root / name).parent == files.sessions_dir]
    if used := [path.name for path in paths if services.locks.locked(path)]:
        raise Conflict(f"The session {used[0]} is in use. Wait for its run to end, or stop it. Nothing was changed.")
    async with AsyncExitStack() as held:
        for path in paths:
            await held.enter_async_context(services.locks.hold(path, "upload"))
        yield


# -- applying ------------------------------------------------------------------------------------------------------


async def _applied(services: Services, agent_id: str, files: WorkspacePaths, wanted: Upload) -> Json:
    backup = await asyncio.to_thread(_keep, services.paths.backups_dir, agent_id, files, wanted)
    try:
        if wanted.profile is not None:
            await services.config.patch_agent(agent_id, _taking_over(wanted.profile))
        await asyncio.to_thread(_put, files.root, wanted)
        if wanted.chats:
            book = await services.chats.of(agent_id)
            book.adopt(wanted.chats)
            await book.flush()
        if files.jobs_file.name in wanted.names:
            await services.crons.of(agent_id).jobs()  # takes over what is on disk
    except OSError as error:
        kept = f"What was there before is in {backup}." if backup else ""
        raise HalfApplied(f"The upload could not be applied to its end: {error}. {kept}".strip()) from error
    return {
        "success": True,
        "agent_id": agent_id,
        "files": len(wanted.names) + (wanted.profile is not None) + (wanted.chats is not None),
        "skipped": wanted.skipped,
        "backup": str(backup) if backup else None,
    }


def _taking_over(imported: AgentProfileConfig) -> Callable[[AgentProfileConfig], None]:
    def change(profile: AgentProfileConfig) -> None:
        for name, value in imported:
            if name not in _KEPT_FIELDS:
                setattr(profile, name, value)

    return change


def _put(root: Path, wanted: Upload) -> None:
    for name in wanted.names:
        copy_atomic(wanted.staging / name, root / name)


def _keep(directory: Path, agent_id: str, files: WorkspacePaths, wanted: Upload) -> Path | None:
    """An archive of what is about to be replaced; it can be uploaded to have that back. ``None`` if nothing is."""
    names = [*wanted.names]
    names += [files.agent_file.name] if wanted.profile is not None else []
    names += [files.chats_file.name] if wanted.chats is not None else []
    there = [Member(files.root / name, name, 0) for name in sorted(names) if (files.root / name).is_file()]
    if not there:
        return None
    directory.mkdir(mode=_PRIVATE_DIRECTORY, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = directory / f"{_NOT_IN_A_NAME.sub('-', agent_id)}-{stamp}.zip"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE), "wb") as file:
        for piece in packed(there):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return path
