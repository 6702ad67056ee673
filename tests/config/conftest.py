"""Fixtures of the configuration tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from copaw.config.home import make_home
from copaw.config.store import ConfigStore
from copaw.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / ".copaw", tmp_path / ".copaw.secret")


@pytest.fixture
async def store(paths: Paths) -> ConfigStore:
    await asyncio.to_thread(make_home, paths, language="en")
    store = ConfigStore(paths)
    await store.load()
    return store
