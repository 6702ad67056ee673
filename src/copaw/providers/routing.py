"""Answering by one model, and by another when the first cannot."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from agentscope.formatter import FormatterBase
from agentscope.message import Msg

from copaw.errors import ModelError
from copaw.ports import Json
from copaw.providers.answer import Heard
from copaw.providers.chat_model import ChatModel
from copaw.providers.files import ModelSlot

log = logging.getLogger(__name__)


class Bound(Protocol):
    """A model and the formatter for its messages."""

    @property
    def slot(self) -> ModelSlot: ...

    @property
    def model(self) -> ChatModel: ...

    @property
    def formatter(self) -> FormatterBase: ...


Bind = Callable[[], Awaitable[Bound]]
"""Answers a model; raises :class:`ModelNotConfigured` while it cannot be called."""


class Unformatted(FormatterBase):  # type: ignore[misc]
    """Leaves messages as they are, until it is known which model they go to."""

    async def format(self, msgs: list[Msg]) -> list[Json]:
        """One entry that carries ``msgs``."""
        return [{"msgs": msgs}]


class RoutedModel(ChatModel):
    """Asks the first of several models; when a call fails before its first word, the next one.

    :param binds: at least one, the preferred first. Each is asked again for every call until it once succeeded.
    """

    def __init__(self, slots: Sequence[ModelSlot], binds: Sequence[Bind]) -> None:
        super().__init__(slots[0].model)
        self._slots = slots
        self._binds = binds
        self._bound: dict[int, Bound] = {}

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        """See :meth:`ChatModel.converse`; ``messages`` come from :class:`Unformatted`."""
        for place in range(len(self._binds)):
            begun = False
            try:
                async with aclosing(self._ask(place, messages[0]["msgs"], tools, tool_choice)) as said:
                    async for heard in said:
                        begun = True
                        yield heard
                return
            except ModelError as error:
                if begun or place == len(self._binds) - 1:
                    raise
                log.warning("model %s did not answer, %s is asked: %s", *self._named(place), error.message)

    async def _ask(
        self, place: int, msgs: list[Msg], tools: list[Json] | None, tool_choice: str | None
    ) -> AsyncGenerator[Heard, None]:
        if place not in self._bound:
            self._bound[place] = await self._binds[place]()
        bound = self._bound[place]
        prompt = await bound.formatter.format(msgs)
        async with aclosing(bound.model.converse(prompt, tools, tool_choice)) as said:
            async for heard in said:
                yield heard

    def _named(self, place: int) -> tuple[Any, Any]:
        first, second = self._slots[place : place + 2]
        return f"{first.provider_id}/{first.model}", f"{second.provider_id}/{second.model}"
