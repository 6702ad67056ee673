from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copaw.cli.client import Client
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.transport import Transport
from copaw.paths import Paths


@pytest.fixture
def subject(made: Path) -> Subject:
    """A home whose server is not running."""
    return Subject(Paths.from_environment(), dict(os.environ), None, "http://127.0.0.1:9", held=False, timeout_s=5.0)


@pytest.fixture
def running(subject: Subject, server: Any) -> Subject:
    """The same with a server, which is the fake one."""
    client = Client(Transport(server.base_url))
    return replace(subject, client=client, address=server.base_url, held=True)


@pytest.fixture
def bad() -> Callable[[Iterable[Finding]], list[tuple[str, str]]]:
    """The level and the sentence of whatever is not ok; each must say what to type."""

    def of(findings: Iterable[Finding]) -> list[tuple[str, str]]:
        found = [finding for finding in findings if finding.level is not Level.OK]
        assert all(finding.mend for finding in found)
        return [(finding.level.value, finding.what) for finding in found]

    return of
