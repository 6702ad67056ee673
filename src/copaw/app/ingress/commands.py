"""Messages that do not wait behind the run they are about."""

from __future__ import annotations

from typing import Protocol

from copaw.app.channels.message import InboundMessage
from copaw.app.runner.task_tracker import Run
from copaw.errors import EndReason


class Command(Protocol):
    """Answers some messages at once, past the queue of their session and without a run of their own."""

    def bypass(self, message: InboundMessage) -> bool:
        """Whether it takes this message."""

    async def answer(self, message: InboundMessage, run: Run | None) -> str:
        """Do what is asked, and say so.

        :param run: the run of the message's session that is under way.
        :raises CopawError: its message is the answer.
        """


class StopCommand:
    """``/stop``: ends the session's run. What waits behind it follows."""

    def bypass(self, message: InboundMessage) -> bool:
        return message.text.strip().lower() == "/stop"

    async def answer(self, message: InboundMessage, run: Run | None) -> str:
        stopped = run is not None and run.stop(EndReason.USER_STOP)
        return EndReason.USER_STOP.sentence if stopped else "Nothing is running here."
