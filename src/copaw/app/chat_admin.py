"""Chats as clients see them: with their status and their history."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from copaw.app.runner.chats import ChatSpec
from copaw.app.runner.history import wire_messages
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.session import SessionFiles
from copaw.app.services import Services
from copaw.errors import AgentNotFound, BadInput, Conflict, EndReason
from copaw.paths import WorkspacePaths
from copaw.ports import Json


class ChatHistory(BaseModel):
    """What was said in a chat, oldest first."""

    messages: list[Json]
    status: str = "idle"


class ChatUpdate(BaseModel):
    """What can be changed of a chat. ``None`` leaves it as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    pinned: bool | None = None


async def chats(services: Services, agent_id: str, user_id: str | None, channel: str | None) -> list[ChatSpec]:
    """An agent's chats, filtered. :raises ConfigFileError: chats.json is broken."""
    book = await services.chats.of(agent_id)
    return [_shown(services, agent_id, chat) for chat in book.select(user_id, channel)]


async def create(services: Services, agent_id: str, chat: ChatSpec) -> ChatSpec:
    """Add a chat, on disk when this returns.

    :raises Conflict: there is a chat of that id. :raises BadInput: the id cannot be part of an address.
    """
    if not chat.id.strip() or "/" in chat.id:
        raise BadInput("id: must not be empty or have a slash. Leave it out to get one.", field="id")
    book = await services.chats.of(agent_id)
    if chat.id in book:
        raise Conflict(f"There is a chat '{chat.id}' already. Leave the id out to get a new one.")
    chat.status = "idle"
    book.put(chat)
    await book.flush()
    return _shown(services, agent_id, chat)


async def update(services: Services, agent_id: str, chat_id: str, changes: ChatUpdate) -> ChatSpec:
    """Rename or pin a chat, on disk when this returns. :raises NotFound: there is none."""
    book = await services.chats.of(agent_id)
    chat = book.get(chat_id)
    wanted = changes.model_dump(exclude_none=True)
    if not wanted.get("name", "-").strip():
        raise BadInput("name: must not be empty.", field="name")
    changed = book.put(chat.model_copy(update=wanted))
    await book.flush()
    return _shown(services, agent_id, changed)


async def delete(services: Services, agent_id: str, chat_ids: Iterable[str]) -> int:
    """Stop the runs of chats and take them out of the list, on disk when this returns; unknown ids are passed over.

    What was said stays in the session files.

    :returns: how many there were.
    """
    book = await services.chats.of(agent_id)
    gone = book.delete(chat_ids)
    for chat in gone:
        _stop(services, agent_id, chat.id)
    await book.flush()
    return len(gone)


async def history(services: Services, agent_id: str, chat_id: str) -> ChatHistory:
    """The messages of a chat; none if its session file is missing or damaged. :raises NotFound: no such chat."""
    chat = (await services.chats.of(agent_id)).get(chat_id)
    files = services.generations.files(agent_id)
    path = SessionFiles(files.sessions_dir).path(chat.user_id, chat.session_id)
    messages = await asyncio.to_thread(_messages, files, path, services.locks.locked(path))
    return ChatHistory(messages=messages, status=_status(services, agent_id, chat_id))


def _messages(files: WorkspacePaths, path: Path, in_use: bool) -> list[Json]:
    """What is in the session, after what a compaction has taken out of it."""
    sessions = SessionFiles(files.sessions_dir)
    earlier = KeptFiles(files).compacted(path)
    try:
        # The run that uses a damaged file sets it aside itself; two that did so would trip over each other.
        content = (sessions.peek(path) if in_use else sessions.load(path)).content
    except FileNotFoundError:
        content = []  # a run that has just begun was first to set it aside
    # Both have what a compaction is about to take out, and the message that a long turn is still about.
    known = {message.get("id") for message, _ in earlier} - {None}
    return wire_messages([*earlier, *(entry for entry in content if entry[0].get("id") not in known)])


def _shown(services: Services, agent_id: str, chat: ChatSpec) -> ChatSpec:
    return chat.model_copy(update={"status": _status(services, agent_id, chat.id)})


def _status(services: Services, agent_id: str, chat_id: str) -> str:
    try:
        tracker = services.manager.slot(agent_id).tracker
    except AgentNotFound:
        return "idle"  # not started yet
    return "running" if tracker.find(chat_id) is not None else "idle"


def _stop(services: Services, agent_id: str, chat_id: str) -> None:
    try:
        tracker = services.manager.slot(agent_id).tracker
    except AgentNotFound:
        return
    tracker.stop(chat_id, EndReason.USER_STOP)
