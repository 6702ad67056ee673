"""The list of an agent's chats: ``chats.json``, in the format of CoPaw 1.0.2."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copaw.aiokits.files import read_json, write_atomic
from copaw.errors import ConfigFileError, NotFound
from copaw.ids import new_uuid

logger = logging.getLogger(__name__)

MAX_NAME = 60
WRITE_PAUSE_S = 0.25
"""The least time from one write of the list to the next. The first change after a quiet time is written at once."""


def _now() -> datetime:
    return datetime.now(UTC)


class ChatSpec(BaseModel):
    """One chat. ``status`` is computed when it is shown and never stored as running."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(default_factory=new_uuid)
    name: str = "New Chat"
    session_id: str
    user_id: str
    channel: str = "console"
    created_at: datetime = Field(default_factory=_now)
    updated_at: datetime = Field(default_factory=_now)
    meta: dict[str, Any] = Field(default_factory=dict)
    status: str = "idle"
    pinned: bool = False


Key = tuple[str, str, str]
"""Session id, user id and channel."""


class _Kept(NamedTuple):
    """A chat as it is written, which takes a third of the memory of a model; most are never looked at again."""

    key: Key
    encoded: bytes

    def chat(self) -> ChatSpec:
        return ChatSpec.model_validate(json.loads(self.encoded))


class ChatBook:
    """The chats of one agent, in memory, saved behind the caller's back and completely.

    :param path: ``chats.json``. Writes coalesce: however many changes come during one write, one more follows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chats: dict[str, _Kept] = {}
        self._by_session: dict[Key, str] = {}
        self._extra: dict[str, Any] = {"version": 1}
        self._loaded = False
        self._loading = asyncio.Lock()
        self._dirty = False
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def load(self) -> None:
        """Read the file, once.

        :raises ConfigFileError: it does not parse. Nothing is overwritten then.
        """
        async with self._loading:
            if not self._loaded:
                chats, extra = await asyncio.to_thread(read_chats, self._path)
                for chat in chats:
                    self._keep(chat)
                self._extra |= extra
                self._loaded = True

    def _keep(self, chat: ChatSpec) -> None:
        key = (chat.session_id, chat.user_id, chat.channel)
        self._chats[chat.id] = _Kept(key, _encoded(chat.model_dump(mode="json")))
        self._by_session.setdefault(key, chat.id)

    def __contains__(self, chat_id: str) -> bool:
        return chat_id in self._chats

    def select(self, user_id: str | None = None, channel: str | None = None) -> list[ChatSpec]:
        """Chats, filtered."""
        kept = self._chats.values()
        return [one.chat() for one in kept if user_id in (None, one.key[1]) and channel in (None, one.key[2])]

    def get(self, chat_id: str) -> ChatSpec:
        """A copy of a chat; :meth:`put` changes the one that is kept.

        :raises NotFound: no such chat.
        """
        try:
            return self._chats[chat_id].chat()
        except KeyError:
            raise NotFound(f"Chat not found: {chat_id}") from None

    def find(self, session_id: str, user_id: str, channel: str) -> ChatSpec | None:
        """The chat of a session, if there is one."""
        chat_id = self._by_session.get((session_id, user_id, channel))
        return self._chats[chat_id].chat() if chat_id is not None else None

    def ensure(self, session_id: str, user_id: str, channel: str, text: str) -> ChatSpec:
        """The chat of a session; made, and named after ``text``, if there is none."""
        chat = self.find(session_id, user_id, channel)
        if chat is None:
            name = text.strip().split("\n", 1)[0][:MAX_NAME] or "New Chat"
            chat = ChatSpec(name=name, session_id=session_id, user_id=user_id, channel=channel)
        return self.put(chat)

    def put(self, chat: ChatSpec) -> ChatSpec:
        """Add or replace a chat."""
        chat.updated_at = _now()
        self._keep(chat)
        self._changed()
        return chat

    def adopt(self, chats: Sequence[ChatSpec]) -> None:
        """Add chats as they are; one whose id is in use takes the place of the other."""
        self.delete(chat.id for chat in chats)
        for chat in chats:
            self._keep(chat)
        self._changed()

    def delete(self, chat_ids: Iterable[str]) -> list[ChatSpec]:
        """Remove chats; unknown ids are passed over."""
        gone = {chat_id: kept for chat_id in chat_ids if (kept := self._chats.pop(chat_id, None)) is not None}
        for chat_id, kept in gone.items():
            if self._by_session.get(kept.key) == chat_id:
                del self._by_session[kept.key]
        if gone:
            self._changed()
        return [kept.chat() for kept in gone.values()]

    def _changed(self) -> None:
        self._dirty = True
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name=f"chats:{self._path.parent.name}")
            self._writer.add_done_callback(self._written)

    def _written(self, writer: asyncio.Task[None]) -> None:
        if not writer.cancelled() and (error := writer.exception()) is not None:
            logger.error("%s could not be written; the next change tries again: %s", self._path, error)

    async def _write(self) -> None:
        while self._dirty:
            self._dirty = False
            chats = [kept.encoded for kept in self._chats.values()]
            began = time.monotonic()
            try:
                await asyncio.to_thread(_write, self._path, self._extra, chats)
            except OSError:
                self._dirty = True
                raise
            # A longer list takes longer to write, so it is written less often.
            await self._pause(max(WRITE_PAUSE_S, 10 * (time.monotonic() - began)))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def flush(self) -> None:
        """Wait until everything is on disk.

        :raises OSError: it could not be written.
        """
        self._hurry.set()
        if self._dirty:
            self._changed()
        try:
            if self._writer is not None:
                await asyncio.shield(self._writer)
        finally:
            self._hurry.clear()


def read_chats(path: Path) -> tuple[list[ChatSpec], dict[str, Any]]:
    """The chats of a file, and what else it holds. Blocking. :raises ConfigFileError: it cannot be used."""
    raw = _read(path)
    chats: dict[str, ChatSpec] = {}
    for position, item in enumerate(raw.pop("chats", [])):
        try:
            chat = ChatSpec.model_validate(item)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(["chats", str(position), *map(str, first["loc"])])
            raise ConfigFileError(path, first["msg"], field=field) from error
        if chat.id in chats:
            raise ConfigFileError(path, "two chats have this id", field=f"chats.{position}.id", value=chat.id)
        chats[chat.id] = chat
    return [*chats.values()], raw


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = read_json(path)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigFileError(path, f"{error}. Mend the file or restore a copy of it") from error
    except OSError as error:
        raise ConfigFileError(path, f"cannot be read: {error.strerror}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("chats", []), list):
        raise ConfigFileError(path, "must be an object with a list named 'chats'", field="chats")
    return raw


def _write(path: Path, extra: dict[str, Any], chats: Sequence[bytes]) -> None:
    """Write the file with one chat a line."""
    lines = b",\n".join(chats)
    head = _encoded({**extra, "chats": []}).removesuffix(b"]}")
    write_atomic(path, b"".join((head, b"\n", lines, b"\n]}\n") if lines else (head, b"]}\n")))


def _encoded(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half an emoji, which JSON can hold as an escape
        return json.dumps(value, allow_nan=False).encode()
