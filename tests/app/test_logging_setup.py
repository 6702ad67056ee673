"""Lines of the log are written by a thread: all of them, in order, and those of the access log a moment later."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from copaw.app import logging_setup
from copaw.app.logging_setup import configure_logging, open_log_file
from copaw.paths import Paths
from copaw.testing.eventually import eventually


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Lines:
    handler, logger = Lines(), logging.getLogger("uvicorn.access")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    return handler


@pytest.fixture
def file(tmp_path: Path) -> RotatingFileHandler:
    return open_log_file(Paths(tmp_path / "home", tmp_path / "secret"))


async def test_a_line_of_the_access_log_comes_soon(access: Lines, file: RotatingFileHandler) -> None:
    with configure_logging(file):
        logging.getLogger("uvicorn.access").info("GET")
        await eventually(lambda: access.lines == ["GET"], "the line is written")


def test_what_waits_is_written_at_the_end_and_at_once(
    access: Lines, file: RotatingFileHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging_setup, "GATHER_S", 3600.0)
    with configure_logging(file):
        for number in range(50):
            logging.getLogger("uvicorn.access").info("GET /%d", number)
        assert access.lines == []
    assert access.lines == [f"GET /{number}" for number in range(50)]
