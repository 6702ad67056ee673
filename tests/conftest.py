"""Fixtures for every test."""

from __future__ import annotations

import asyncio

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # looptime asks the policy for a loop; without this line the policy makes one that nobody closes.
    asyncio.set_event_loop(None)
