"""The body of a request to an agent, parsed once at the edge."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copaw.aiokits.lease import NO_LABELS, Lease
from copaw.app.runner.session import file_name
from copaw.errors import BadInput
from copaw.ids import new_uuid
from copaw.ports import Json, Turn, at_once

MAX_FILE_NAME_BYTES = 255


class ContentItem(BaseModel):
    """One content item; its other fields depend on ``type`` and are kept as they are."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "image", "data", "audio", "file", "video", "refusal"]
    text: str | None = None


class InputMessage(BaseModel):
    """One message of the request."""

    model_config = ConfigDict(extra="allow")

    role: Literal["assistant", "system", "user", "tool"] | None = "user"
    type: str = "message"
    content: list[ContentItem] | None = None


class AgentRequest(BaseModel):
    """``POST /api/agent/process`` and its relatives. Unknown fields are allowed.

    ``session_id`` defaults to a new UUID, ``user_id`` to the session id.
    """

    model_config = ConfigDict(extra="allow")

    input: list[InputMessage] = Field(min_length=1)
    session_id: str = ""
    user_id: str = ""
    channel: str = "console"
    stream: bool = True
    id: str | None = None

    def model_post_init(self, _context: Any) -> None:
        self.session_id = self.session_id or new_uuid()
        self.user_id = self.user_id or self.session_id

    @property
    def text(self) -> str:
        """The text of the last message."""
        items = self.input[-1].content or []
        return "\n".join(item.text for item in items if item.text)

    def messages(self) -> list[Json]:
        """The input as plain objects."""
        return [message.model_dump(mode="json") for message in self.input]

    def response_id(self) -> str:
        return self.id or f"response_{new_uuid()}"


def parse_request(body: Any) -> AgentRequest:
    """Validate a request body.

    :raises BadInput: naming the first field at fault.
    """
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object with an 'input' list.", field="body")
    cleaned = {key: value for key, value in body.items() if value is not None}
    try:
        request = AgentRequest.model_validate(cleaned)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"Field '{field}': {first['msg']}.", field=field) from error
    _check_names(request)
    return request


def _check_names(request: AgentRequest) -> None:
    """Who it is names a file: what no file system takes is refused here."""
    for field, value in (("session_id", request.session_id), ("user_id", request.user_id)):
        if "\0" in value:
            raise BadInput(f"Field '{field}': has a NUL character.", field=field)
    if len(file_name(request.user_id, request.session_id).encode(errors="replace")) > MAX_FILE_NAME_BYTES:
        raise BadInput(
            f"Field 'session_id': together with user_id longer than {MAX_FILE_NAME_BYTES} bytes.", field="session_id"
        )


def turn_of(
    request: AgentRequest,
    lease: Lease,
    *,
    wait_for_session: bool = False,
    on_started: Callable[[], None] = lambda: None,
    environ: Mapping[str, str] = NO_LABELS,
    recorded: Callable[[], Awaitable[None]] = at_once,
) -> Turn:
    """The turn of a request that holds ``lease``; see :class:`copaw.ports.Turn` for the others."""
    return Turn(
        session_id=request.session_id,
        user_id=request.user_id,
        channel=request.channel,
        input=request.messages(),
        response_id=request.response_id(),
        created_at=now_s(),
        end_reason=lambda: lease.end_reason,
        progress=lease.touch,
        abandoned=lambda: lease.released,
        wait_for_session=wait_for_session,
        on_started=on_started,
        environ=environ,
        hold=lease,
        recorded=recorded,
    )


def tool_turn(
    session_id: str,
    user_id: str,
    channel: str,
    lease: Lease,
    on_started: Callable[[], None],
    environ: Mapping[str, str],
) -> Turn:
    """On whose behalf a tool call is made that is a run of its own."""
    return Turn(
        session_id=session_id,
        user_id=user_id,
        channel=channel,
        input=[],
        response_id=f"response_{new_uuid()}",
        created_at=now_s(),
        end_reason=lambda: lease.end_reason,
        progress=lease.touch,
        abandoned=lambda: lease.released,
        on_started=on_started,
        environ=environ,
        hold=lease,
    )


def now_s() -> int:
    """Seconds since the epoch, as the protocol wants them."""
    return int(time.time())
