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


# Where every await counts. Elsewhere tests prepare files and start servers in the loop's own time.
WATCHED = ("aiokits", "lifecycle", "providers", "app/runner")


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """A call of ours that blocks the event loop is an error."""
    folder = request.path.relative_to(Path(__file__).parent).parent.as_posix()
    if folder not in WATCHED:
        yield
        return
    with blockbuster_ctx("copaw"):
        yield
