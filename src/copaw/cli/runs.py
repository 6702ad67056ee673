"""What the commands read out of a run's events and results. Nothing here talks to anybody."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Iterator

from copaw.errors import CopawError
from copaw.ports import Json

_SIGNED = re.compile(r"\[Agent \S|\[来自智能体")


class RunFailed(CopawError):
    """The run failed."""

    code = "RUN_FAILED"


def new_session_id(from_agent: str, to_agent: str) -> str:
    """``{from}:to:{to}:{milliseconds}:{8 hex}``."""
    return f"{from_agent}:to:{to_agent}:{int(time.time() * 1000)}:{uuid.uuid4().hex[:8]}"


def signed(from_agent: str, text: str) -> str:
    """The text with its sender in front, unless a sender is already named there."""
    if _SIGNED.match(text.lstrip()):
        return text
    return f"[Agent {from_agent} requesting] {text}"


def request_of(session_id: str, text: str) -> Json:
    """The body that starts a run."""
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
    return {"session_id": session_id, "input": [message]}


def final_response(event: Json) -> Json | None:
    """The event itself if it is the response that ends a run, else ``None``.

    :raises RunFailed: it is an error frame (a refused request), which ends the stream too.
    """
    if "object" not in event and event.get("error"):
        raise RunFailed(error_text(event))
    ended = event.get("status") not in ("created", "in_progress", "queued")
    return event if event.get("object") == "response" and ended else None


def error_text(holder: Json) -> str:
    """The sentence in the ``error`` of a response or an error frame."""
    match holder.get("error"):
        case {"message": str(text)} | str(text) if text:
            return text
        case {"code": str(code)} if code:
            return code
    return f"The run ended as {holder.get('status') or 'failed'} without a reason."


def check(response: Json) -> Json:
    """:raises RunFailed: the run did not complete."""
    if response.get("status") != "completed":
        raise RunFailed(error_text(response))
    return response


def answer_text(response: Json) -> str:
    """The text of the last message of a finished run; empty when it said nothing."""
    messages = [m for m in response.get("output") or [] if isinstance(m, dict) and m.get("type") == "message"]
    for message in reversed(messages):
        text = "".join(_texts(message))
        if text:
            return text
    return ""


def _texts(message: Json) -> Iterator[str]:
    for part in message.get("content") or []:
        match part:
            case {"type": "text", "text": str(text)}:
                yield text
            case {"type": "refusal", "refusal": str(text)}:
                yield text


class Deltas:
    """Turns events into the new text of answers: no thinking, no tool calls, one line end between two messages."""

    def __init__(self) -> None:
        self._answers: set[str] = set()
        self._seen: dict[str, int] = {}
        self._current = ""

    def feed(self, event: Json) -> str:
        """The text that this event adds, often none."""
        match event:
            case {"object": "message", "type": "message", "id": str(message_id)}:
                self._answers.add(message_id)
            case {"object": "content", "type": "text", "msg_id": str(message_id), "text": str(text)} if text:
                return self._text(message_id, text, delta=event.get("delta") is True)
        return ""

    def _text(self, message_id: str, text: str, *, delta: bool) -> str:
        if message_id not in self._answers:
            return ""
        seen = self._seen.get(message_id, 0)
        # The closing content repeats the whole text: only what no delta brought is new.
        new = text if delta else text[seen:]
        if not new:
            return ""
        self._seen[message_id] = seen + len(new)
        between = "\n" if self._current not in ("", message_id) else ""
        self._current = message_id
        return between + new


def last_response(events: Iterable[Json]) -> Json:
    """Read a run to its end.

    :raises RunFailed: it was refused, or the stream ended before the run did.
    """
    for event in events:
        response = final_response(event)
        if response is not None:
            return response
    raise cut_short()


def cut_short() -> RunFailed:
    """The stream closed without a final response."""
    return RunFailed("The stream ended before the run did; the server may have been stopped.")
