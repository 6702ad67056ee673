"""What an OpenAI Responses request asks of an agent."""

from __future__ import annotations

from typing import Any

from copaw.errors import BadInput, NotFound
from copaw.ports import Json

PREFIX = "resp_"
"""A response's id is this and the id of its task."""

KEPT = ("model", "metadata", "instructions", "previous_response_id")
"""Fields that are answered as they came. The agent's own model, prompt and tools count."""

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = ("input_text", "output_text", "text")


def task_id_of(response_id: str) -> str:
    """The task of a response.

    :raises NotFound: it is no id of a response.
    """
    if not response_id.startswith(PREFIX):
        raise NotFound(f"Response {response_id} not found. Ids of background responses begin with '{PREFIX}'.")
    return response_id.removeprefix(PREFIX)


def agent_body(body: Json, previous: tuple[str, str] | None = None) -> Json:
    """The body of a task for an agent that does what a Responses request asks.

    ``conversation`` is the session, ``user`` the user; ``session_id``, ``user_id`` and ``channel`` may be given, too.

    :param previous: session and user of ``previous_response_id``.
    :raises BadInput: naming the field at fault.
    """
    session_id, user_id = previous or (_conversation(body.get("conversation")), body.get("user"))
    own = {
        "session_id": body.get("session_id") or session_id,
        "user_id": body.get("user_id") or user_id,
        "channel": body.get("channel"),
        **{name: body.get(name) for name in KEPT},
    }
    return {"input": messages(body.get("input")), **{name: value for name, value in own.items() if value is not None}}


def _conversation(value: Any) -> Any:
    match value:
        case {"id": str(conversation)}:
            return conversation
        case None | str():
            return value
        case _:
            raise BadInput("Field 'conversation': must be an id or an object with one.", field="conversation")


def messages(value: Any) -> list[Json]:
    """The input as messages to an agent.

    :raises BadInput: it is neither text nor a list of messages.
    """
    if isinstance(value, str):
        return [_message("user", [{"type": "text", "text": value}])]
    if not isinstance(value, list) or not value:
        raise BadInput("Field 'input': must be text or a list of messages.", field="input")
    return [_item(f"input.{number}", item) for number, item in enumerate(value)]


def _message(role: str, content: list[Json]) -> Json:
    return {"role": role, "type": "message", "content": content}


def _item(field: str, item: Any) -> Json:
    match item:
        case {"role": str(role), "content": str(text)} if role in _ROLES:
            return _message(_ROLES[role], [{"type": "text", "text": text}])
        case {"role": str(role), "content": list(parts)} if role in _ROLES:
            named = ((f"{field}.content.{number}", part) for number, part in enumerate(parts))
            return _message(_ROLES[role], [_part(name, part) for name, part in named])
        case _:
            raise BadInput(f"Field '{field}': must be a message with a role and a content.", field=field)


def _part(field: str, part: Any) -> Json:
    match part:
        case {"type": str(kind), "text": str(text)} if kind in _TEXTS:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            return {"type": "image", "image_url": url}
        case {"type": "input_file", "file_url": str(url)}:
            return {"type": "file", "file_url": url, "filename": part.get("filename")}
        case _:
            raise BadInput(
                f"Field '{field}': must be an input_text, an input_image with an image_url or an input_file with a "
                "file_url.",
                field=field,
            )
