"""A ledger of every kind: in memory, SQLite, and PostgreSQL where its server is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from copaw.app.background.database import sqlite_url
from copaw.app.background.memory_store import MemoryTaskStore
from copaw.app.background.sql_store import open_sql_store
from copaw.app.background.store import TaskStore

OpenStore = Callable[[], Awaitable[TaskStore]]


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a database server of our own, without a database name."""
    pytest.importorskip("asyncpg")
    binaries = _postgres_bin()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="copaw-pg-"))
    if user is not None:
        shutil.chown(home, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, user=user, cwd=home)

    data = home / "data"
    run(binaries / "initdb", "-D", data, "-U", "copaw", "-A", "trust", "--no-sync")
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
    try:
        run(binaries / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
        yield f"postgresql://copaw@127.0.0.1:{port}"
    finally:
        run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[[], str]:
    """Make an empty database and answer its address."""
    binaries = _postgres_bin()
    assert binaries is not None
    made = 0

    def make() -> str:
        nonlocal made
        made += 1
        name = f"ledger{made}"
        subprocess.run([binaries / "psql", f"{postgres}/postgres", "-qc", f"CREATE DATABASE {name}"], check=True)
        return f"{postgres}/{name}"

    return make


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    """Opens the same ledger each time it is called; every one that was opened is closed at the end."""
    opened: list[TaskStore] = []
    memory = MemoryTaskStore()
    url = sqlite_url(tmp_path / "copaw.db")
    if request.param == "postgres":
        url = request.getfixturevalue("new_database")()

    async def open_one() -> TaskStore:
        store: TaskStore = memory if request.param == "memory" else await open_sql_store(url)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.aclose()


@pytest.fixture
async def store(open_store: OpenStore) -> TaskStore:
    return await open_store()
