"""The one terminal event of a turn, however it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from copaw.app.runner.events import AGENT_ERROR, ResponseStream, ended_error, error_object
from copaw.errors import CopawError
from copaw.ports import Turn

logger = logging.getLogger(__name__)


@contextmanager
def ending(stream: ResponseStream, turn: Turn, close: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Give ``stream`` its terminal event when the body of the ``with`` has ended.

    A failure becomes that event and goes no further; a cancellation is told with its cause, and goes on.

    :param close: completes what is open, before the event of a failure.
    """
    try:
        yield
        stream.complete()
    except asyncio.CancelledError:
        close()
        reason = turn.end_reason()
        stream.fail(ended_error(reason) if reason else error_object(AGENT_ERROR, "The run was cancelled."))
        raise
    except CopawError as error:
        close()
        stream.fail(error_object(error.code, error.message))
    except Exception as error:  # supervisor of a turn: the failure is told
        logger.exception("a turn of session %s failed", turn.session_id)
        close()
        stream.fail(error_object(AGENT_ERROR, f"{type(error).__name__}: {error}"))
