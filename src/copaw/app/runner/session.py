"""Session files: what was said, in the format of CoPaw 1.0.2.

``sessions/{user_id}_{session_id}.json`` holds ``{"agent": {"memory": {"content": [[message, marks], ...],
"_compressed_summary": ""}, "toolkit": {...}, "name", "_sys_prompt"}}``. A file is replaced as a whole, never
written in place. One that cannot be read is set aside under another name, so that nothing is lost and the user
can go on. All file work here is blocking; callers use threads.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copaw.aiokits.files import set_aside, write_atomic
from copaw.app.runner.session_shape import is_message
from copaw.ids import new_token
from copaw.ports import Json

logger = logging.getLogger(__name__)

_to_json = json.JSONEncoder(ensure_ascii=False).encode
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')

Entry = tuple[Json, list[str]]
"""A message and its marks."""


@dataclass(slots=True)
class SessionState:
    """One session as it is in memory.

    :param path: its file.
    :param content: messages with their marks, oldest first.
    :param raw: everything else of the file, kept as it was.
    :param set_aside: where a damaged file was moved to when this state was loaded.
    :param encoded: messages as they were last written, by identity, so that a long session is not encoded anew for
        each message. So a message in ``content`` is replaced and never changed.
    """

    path: Path
    content: list[Entry] = field(default_factory=list)
    summary: str = ""
    raw: Json = field(default_factory=dict)
    set_aside: Path | None = None
    encoded: dict[int, tuple[Json, bytes]] = field(default_factory=dict)


def file_name(user_id: str, session_id: str) -> str:
    """The name of a session's file: path characters become ``--``."""
    name = f"{user_id}_{session_id}" if user_id else session_id
    return f"{_FORBIDDEN.sub('--', name)}.json"


class SessionFiles:
    """The sessions of one agent.

    :param directory: ``<workspace>/sessions``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, user_id: str, session_id: str) -> Path:
        return self._directory / file_name(user_id, session_id)

    def load(self, path: Path) -> SessionState:
        """Read a session; a missing file is an empty session, a damaged one is set aside."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return SessionState(path)
        try:
            return _parse(path, data)
        except (ValueError, RecursionError) as error:
            moved = set_aside(path)
            logger.error("session file %s is damaged (%s); it was set aside as %s", path, error, moved.name)
            return SessionState(path, set_aside=moved)

    def peek(self, path: Path) -> SessionState:
        """Read a session to look at it; one that is missing or damaged is empty here, and left as it is."""
        try:
            return _parse(path, path.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return SessionState(path)

    def save(self, state: SessionState, *, agent_name: str, sys_prompt: str) -> None:
        """Write a session as a whole."""
        write_atomic(state.path, self.document(state, agent_name=agent_name, sys_prompt=sys_prompt))

    def document(self, state: SessionState, *, agent_name: str, sys_prompt: str) -> bytes:
        """What a session's file is to hold."""
        agent: Json = dict(state.raw.get("agent") or {})
        memory: Json = dict(agent.get("memory") or {})
        place = new_token()
        memory |= {"content": place, "_compressed_summary": state.summary}
        agent |= {"memory": memory, "name": agent_name, "_sys_prompt": sys_prompt}
        agent.setdefault("toolkit", {"active_groups": []})
        document = encode({**state.raw, "agent": agent})
        return document.replace(encode(place), _content(state), 1)

    def delete(self, path: Path) -> bool:
        """Remove a session's file. ``False`` if there is none."""
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True


def _decode(data: bytes) -> Any:
    try:
        found = json.loads(data.decode("utf-8-sig"))
        if b"\\ud" in data.lower():
            # Half a surrogate pair can be read here, but neither be answered nor sent to a model.
            found = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return found


def encode(value: Any) -> bytes:
    """JSON as it is in files of messages; half an emoji, which has no UTF-8 form, becomes a question mark."""
    return _to_json(value).encode(errors="replace")


def _content(state: SessionState) -> bytes:
    new = [message for message, _ in state.content if id(message) not in state.encoded]
    known = state.encoded | {id(message): (message, body) for message, body in zip(new, _each(new), strict=True)}
    state.encoded = {id(message): known[id(message)] for message, _ in state.content}
    entries = (
        b"[%b, %b]" % (known[id(message)][1], encode(marks) if marks else b"[]") for message, marks in state.content
    )
    return b"[%b]" % b", ".join(entries)


def _each(messages: list[Json]) -> list[bytes]:
    """The messages, encoded one by one in one call: a call for each costs twice as much."""
    border = new_token()
    joined = encode([part for message in messages for part in (border, message)][1:])
    return joined[1:-1].split(b', "%b", ' % border.encode()) if messages else []


def _parse(path: Path, data: bytes) -> SessionState:
    raw = _decode(data)
    memory = _object(_object(_object(raw, "file").get("agent", {}), "agent").get("memory", {}), "agent.memory")
    content = memory.get("content", [])
    if not isinstance(content, list):
        raise ValueError("agent.memory.content is not a list")
    entries = [_entry(item, position) for position, item in enumerate(content)]
    summary = memory.get("_compressed_summary") or ""
    if not isinstance(summary, str):
        raise ValueError("agent.memory._compressed_summary is not a text")
    return SessionState(path, entries, summary, raw)


def _object(value: Any, name: str) -> Json:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _entry(item: Any, position: int) -> Entry:
    # Older versions stored bare messages without marks.
    message, marks = item if isinstance(item, list) and len(item) == 2 else (item, [])
    if not (is_message(message) and isinstance(marks, list)):
        raise ValueError(f"agent.memory.content[{position}] is not a message")
    return message, marks
