"""Fixtures for every test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx


def pytest_configure(config: pytest.Config) -> None:
    # looptime asks the policy for a loop; without this line the policy makes one that nobody closes.
    asyncio.set_event_loop(None)


# Where the server's own code runs in the loop of the test. What is left out prepares files and starts processes.
WATCHED = ("aiokits", "agents", "app", "budgets", "lifecycle", "providers", "tools")
# Blocking where it is meant: tests that prepare a home or look at one; PostgreSQL's driver, which looks for
# certificates when it connects; its migrations, once in the life of a database; the system's list of media types, once
# in that of a process; the process table, which is no disk; the start and the end of the log, when nothing else runs.
MAY_BLOCK = (
    ("copaw/config/home.py", "make_home"),
    ("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args"),
    ("copaw/app/background/database.py", "_upgrade"),
    ("copaw/testing/eventually.py", "eventually"),
    ("mimetypes.py", "init"),
    ("copaw/app/logging_setup.py", "configure_logging"),
    ("copaw/app/logging_setup.py", "_in_a_thread"),
    ("copaw/app/process_info.py", "resident_bytes"),
)


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """A call of ours that blocks the event loop is an error."""
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    if folder not in WATCHED:
        yield
        return
    with blockbuster_ctx("copaw") as detector:
        for function in detector.functions.values():
            for file, name in MAY_BLOCK:
                function.can_block_in(file, name)
        yield
