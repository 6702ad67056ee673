"""How tasks are kept, and where."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from copaw.app.background.server_lock import instance_id
from copaw.app.background.store import TaskStore
from copaw.errors import BadInput

DATABASE_NAME = "copaw.db"
DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """How tasks are kept.

    :param owner: names this server in the rows it writes.
    :param limit_of: how many tasks of an agent may run at a time.
    :param keep: so many ended tasks are remembered, none of them longer than ``keep_s`` seconds.
    """

    owner: str = "local"
    limit_of: Callable[[str], int] = lambda _agent_id: 32
    keep: int = 20_000
    keep_s: float = 30 * DAY_S


def task_settings(working_dir: Path, environ: Mapping[str, str], limit_of: Callable[[str], int]) -> TaskSettings:
    """``COPAW_TASK_KEEP_COUNT`` and ``COPAW_TASK_KEEP_DAYS``. Blocking.

    :raises BadInput: one of them is not a number above 0.
    """
    # A database of its own needs no name; in a shared one each server answers for its own rows only.
    owner = instance_id(working_dir) if environ.get("COPAW_DATABASE_URL") else "local"
    keep = _number(environ, "COPAW_TASK_KEEP_COUNT", 20_000)
    return TaskSettings(owner, limit_of, int(keep), _number(environ, "COPAW_TASK_KEEP_DAYS", 30) * DAY_S)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise BadInput(f"{name} must be a number above 0, not {text!r}.", field=name)
    return value


def store_opener(working_dir: Path, environ: Mapping[str, str]) -> Callable[[], Awaitable[TaskStore]]:
    """Opens the ledger: ``COPAW_DATABASE_URL``, else SQLite in the working directory.

    :raises BadInput: the address is none.
    """
    from copaw.app.background.database import sqlite_url, with_driver

    url = environ.get("COPAW_DATABASE_URL")
    return partial(_open, with_driver(url) if url else sqlite_url(working_dir / DATABASE_NAME))


async def _open(url: str) -> TaskStore:
    # It takes a quarter of a second to load, during which the loop goes on answering.
    module = await asyncio.to_thread(importlib.import_module, "copaw.app.background.sql_store")
    store: TaskStore = await module.open_sql_store(url)
    return store
