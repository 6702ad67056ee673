"""What an agent may ask of any model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from agentscope.model import ChatModelBase, ChatResponse
from agentscope.model._model_usage import ChatUsage

from copaw.ports import Json
from copaw.providers.answer import Answer, Heard


class ChatModel(ChatModelBase):  # type: ignore[misc]
    """A chat model. Use :meth:`converse`; a call is agentscope's way of asking, with whole contents each time."""

    def __init__(self, model_name: str) -> None:
        super().__init__(model_name, stream=True)

    @abstractmethod
    def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        """Ask, and hear the answer as it comes. Nothing is done before it is read; closing it ends the call.

        :param messages: in the format of the model's formatter.
        :param tools: function schemas as OpenAI has them. Give the same list as long as they do not change.
        :param tool_choice: ``auto``, ``none``, ``required`` or the name of a tool.
        :raises ModelError: the model cannot be used, or its provider failed.
        """

    async def answer(self, messages: list[Json], tools: list[Json] | None = None) -> Answer:
        """Ask, and wait for the whole answer. :raises ModelError: as :meth:`converse` does."""
        answer = Answer()
        async with aclosing(self.converse(messages, tools)) as said:
            async for heard in said:
                answer.add(heard)
        return answer

    async def __call__(
        self,
        messages: list[Json],
        tools: list[Json] | None = None,
        tool_choice: str | None = None,
        **_ignored: Any,
    ) -> AsyncGenerator[ChatResponse, None]:
        """As agentscope asks its models."""
        return self._whole_each_time(self.converse(messages, tools, tool_choice))

    async def _whole_each_time(self, said: AsyncGenerator[Heard, None]) -> AsyncGenerator[ChatResponse, None]:
        answer, answer_id = Answer(), f"answer_{uuid4().hex}"
        async with aclosing(said):
            async for heard in said:
                answer.add(heard)
                usage = ChatUsage(*answer.usage[:2], time=0.0) if answer.usage else None
                yield ChatResponse(content=answer.blocks(), id=answer_id, usage=usage)
