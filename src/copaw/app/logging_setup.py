"""Logging: one line an event, to the terminal and to a file that rotates."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from queue import SimpleQueue

from copaw.paths import Paths

GATHER_S = 0.1
"""How late a line of the access log may be, in seconds."""
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _AsIs(QueueHandler):
    """Hands records on untouched: uvicorn's access formatter needs their arguments."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class _Gathering(QueueListener):
    """Handles what comes within :data:`GATHER_S` together.

    A busy server has a line for each request. A thread that is woken for each of them takes the interpreter's lock
    from those who answer.
    """

    def __init__(self, records: SimpleQueue[logging.LogRecord], *handlers: logging.Handler) -> None:
        super().__init__(records, *handlers)
        self._records = records
        self._ending = threading.Event()

    def dequeue(self, block: bool) -> logging.LogRecord:
        if self._records.empty():
            self._ending.wait(GATHER_S)
        return self._records.get(block)

    def enqueue_sentinel(self) -> None:
        super().enqueue_sentinel()
        self._ending.set()


@contextmanager
def _in_a_thread(logger: logging.Logger) -> Iterator[None]:
    """Let a thread do what the logger's handlers do, for the body of a ``with``."""
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handlers = logger.handlers
    listener = _Gathering(records, *handlers)
    logger.handlers = [_AsIs(records)]
    listener.start()
    try:
        yield
    finally:
        logger.handlers = handlers
        listener.stop()


def open_log_file(paths: Paths) -> RotatingFileHandler:
    """``copaw.log``, in a working directory that is made if need be. Blocking."""
    paths.working_dir.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(
        paths.log_file,
        maxBytes=int(os.environ.get("COPAW_LOG_MAX_BYTES") or 5 * 1024 * 1024),
        backupCount=int(os.environ.get("COPAW_LOG_BACKUP_COUNT") or 3),
        encoding="utf-8",
    )


@contextmanager
def configure_logging(file: RotatingFileHandler) -> Iterator[None]:
    """Log ``copaw.*`` to standard error and to ``file`` for the body of a ``with``, which closes it at the end.

    Records are written by a thread of their own: a slow disk or terminal never blocks the event loop.
    """
    level = (os.environ.get("COPAW_LOG_LEVEL") or "info").upper()
    terminal = logging.StreamHandler()
    for handler in (file, terminal):
        handler.setFormatter(logging.Formatter(_FORMAT))
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueListener(records, file, terminal)
    logger, queue = logging.getLogger("copaw"), QueueHandler(records)
    before = logger.level
    logger.setLevel("DEBUG" if level == "TRACE" else level)
    logger.propagate = False
    logger.addHandler(queue)
    listener.start()
    try:
        # A write to a file waits for the file system whenever somebody else syncs; the loop must not.
        with _in_a_thread(logging.getLogger("uvicorn.access")):
            yield
    finally:
        logger.removeHandler(queue)
        logger.setLevel(before)
        logger.propagate = True
        listener.stop()
        file.close()
