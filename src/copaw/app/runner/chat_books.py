"""The chat lists of all agents, each read when it is first wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from copaw.app.runner.chats import ChatBook

logger = logging.getLogger(__name__)


class ChatBooks:
    """One :class:`ChatBook` an agent.

    :param file_of: an agent's ``chats.json``.
    """

    def __init__(self, file_of: Callable[[str], Path]) -> None:
        self._file_of = file_of
        self._books: dict[Path, ChatBook] = {}

    async def of(self, agent_id: str) -> ChatBook:
        """The chats of an agent, read if need be."""
        path = self._file_of(agent_id)
        book = self._books.get(path)
        if book is None:
            book = self._books[path] = ChatBook(path)
        await book.load()
        return book

    def forget(self, agent_id: str) -> None:
        """Drop what is in memory, as when an agent is deleted or its workspace replaced."""
        self._books.pop(self._file_of(agent_id), None)

    async def flush(self) -> None:
        """Write whatever is not on disk yet."""
        results = await asyncio.gather(*(book.flush() for book in self._books.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                logger.error("a chat list could not be written: %s", result)
