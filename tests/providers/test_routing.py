from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from agentscope.message import Msg

from copaw.errors import ModelError, ModelNotConfigured
from copaw.ports import Json
from copaw.providers.answer import Heard, Piece
from copaw.providers.chat_model import ChatModel
from copaw.providers.files import ModelSlot
from copaw.providers.openai_format import OpenAIFormatter
from copaw.providers.registry import BoundModel
from copaw.providers.routing import RoutedModel, Unformatted

NEAR, FAR = ModelSlot("near", "m"), ModelSlot("far", "m")


class Model(ChatModel):
    """Says words; an error is raised in its turn."""

    def __init__(self, *words: Any) -> None:
        super().__init__("m")
        self.words = words
        self.asked: list[list[Json]] = []

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        self.asked.append(messages)
        for word in self.words:
            if isinstance(word, Exception):
                raise word
            yield [Piece(0, "text", word)]


class Binding:
    """Binds a model, unless it is not configured."""

    def __init__(self, model: Model | None) -> None:
        self.model = model
        self.times = 0

    async def __call__(self) -> BoundModel:
        self.times += 1
        if self.model is None:
            raise ModelNotConfigured("no key")
        return BoundModel(NEAR, self.model, OpenAIFormatter())


async def ask(first: Model | Binding | None, second: Model | None) -> str:
    bind = first if isinstance(first, Binding) else Binding(first)
    routed = RoutedModel([NEAR, FAR], [bind, Binding(second)])
    answer = await routed.answer(await Unformatted().format([Msg("user", "hi", "user")]))
    return "".join(block["text"] for block in answer.blocks())


async def test_the_preferred_model_answers_and_the_other_is_not_asked() -> None:
    second = Model("b")
    assert await ask(Model("a"), second) == "a"
    assert second.asked == []


@pytest.mark.parametrize("first", [None, Model(ModelError("refused"))], ids=["not configured", "unreachable"])
async def test_the_other_answers_when_the_preferred_one_cannot(first: Model | None) -> None:
    second = Model("b")
    assert await ask(first, second) == "b"
    assert second.asked == [[{"role": "user", "content": "hi"}]]


async def test_once_something_was_said_nobody_else_is_asked() -> None:
    second = Model("b")
    with pytest.raises(ModelError, match="broke off"):
        await ask(Model("a", ModelError("broke off")), second)
    assert second.asked == []


async def test_the_last_failure_is_told() -> None:
    with pytest.raises(ModelError, match="second"):
        await ask(Model(ModelError("first")), Model(ModelError("second")))


async def test_a_model_that_is_configured_later_is_used_then() -> None:
    near = Binding(None)
    routed = RoutedModel([NEAR, FAR], [near, Binding(Model("b"))])
    messages = await Unformatted().format([Msg("user", "hi", "user")])
    assert (await routed.answer(messages)).blocks()[0]["text"] == "b"
    near.model = Model("a")
    assert (await routed.answer(messages)).blocks()[0]["text"] == "a"
    assert (await routed.answer(messages)).blocks()[0]["text"] == "a"
    assert near.times == 2, "once it was there it is kept"
