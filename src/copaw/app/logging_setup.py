"""Logging: one line an event, to the terminal and to a file that rotates."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from queue import SimpleQueue

from copaw.paths import Paths

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def configure_logging(paths: Paths) -> Iterator[None]:
    """Log ``copaw.*`` to standard error and to ``copaw.log`` for the body of a ``with``.

    Records are written by a thread of their own: a slow disk or terminal never blocks the event loop.
    """
    environ = os.environ
    level = (environ.get("COPAW_LOG_LEVEL") or "info").upper()
    paths.working_dir.mkdir(parents=True, exist_ok=True)
    file = RotatingFileHandler(
        paths.log_file,
        maxBytes=int(environ.get("COPAW_LOG_MAX_BYTES") or 5 * 1024 * 1024),
        backupCount=int(environ.get("COPAW_LOG_BACKUP_COUNT") or 3),
        encoding="utf-8",
    )
    terminal = logging.StreamHandler()
    for handler in (file, terminal):
        handler.setFormatter(logging.Formatter(_FORMAT))
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueListener(records, file, terminal)
    logger, queue = logging.getLogger("copaw"), QueueHandler(records)
    logger.setLevel("DEBUG" if level == "TRACE" else level)
    logger.propagate = False
    logger.addHandler(queue)
    listener.start()
    try:
        yield
    finally:
        logger.removeHandler(queue)
        logger.propagate = True
        listener.stop()
        file.close()
