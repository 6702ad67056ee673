from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from copaw.app.background.database import open_database, sqlite_url, version_of
from copaw.cli.doctor import database
from copaw.cli.doctor.finding import Subject


@pytest.fixture
def ledger(made: Path) -> Path:
    """A database as the server makes it."""
    path = made / "copaw.db"

    async def make() -> None:
        opened = await open_database(sqlite_url(path))
        await opened.aclose()

    asyncio.run(make())
    return path


def test_one_that_is_well(subject: Subject, ledger: Path, bad) -> None:
    before = ledger.read_bytes()
    assert bad(database.check_database(subject)) == []
    assert ledger.read_bytes() == before


def test_none_yet(subject: Subject, bad) -> None:
    (finding,) = database.check_database(subject)
    assert "no background tasks yet" in finding.what
    assert not (subject.paths.working_dir / "copaw.db").exists()


def test_one_of_a_newer_version(subject: Subject, ledger: Path, bad) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    ((level, what),) = bad(database.check_database(subject))
    assert (level, "newer copaw (9999)" in what) == ("error", True)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_one_that_is_damaged(subject: Subject, made: Path, bad, content: bytes) -> None:
    (made / "copaw.db").write_bytes(content)
    found = bad(database.check_database(subject))
    assert [level for level, _ in found] == (["error"] if content else [])


def test_one_with_a_torn_page(subject: Subject, ledger: Path, bad) -> None:
    pages = bytearray(ledger.read_bytes())
    pages[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    ledger.write_bytes(bytes(pages))
    assert [level for level, _ in bad(database.check_database(subject))] == ["error"]


def test_a_shared_one_is_asked_for_its_version(subject: Subject, ledger: Path, bad) -> None:
    environ = {"COPAW_DATABASE_URL": f"sqlite:///{ledger}"}
    assert bad(database.check_database(replace(subject, environ=environ))) == []
    assert asyncio.run(version_of(environ["COPAW_DATABASE_URL"])) is not None
    nowhere = {"COPAW_DATABASE_URL": "nonsense"}
    ((level, what),) = bad(database.check_database(replace(subject, environ=nowhere)))
    assert (level, "must begin with" in what) == ("error", True)


@pytest.mark.parametrize(("free", "level"), [(5e7, "error"), (5e8, "warn")])
def test_a_full_disk(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    usage = namedtuple("usage", "total used free")(1, 1, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert [found for found, _ in bad(database.check_disk(subject))] == [level]


def test_the_disk_of_a_home_to_be(subject: Subject, tmp_path: Path, bad) -> None:
    paths = replace(subject.paths, working_dir=tmp_path / "not" / "yet")
    assert len(list(database.check_disk(replace(subject, paths=paths)))) == 1
