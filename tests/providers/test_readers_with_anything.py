"""Whatever JSON a provider sends: a reader takes it or says that it is not the protocol, and what it heard is sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copaw.app.runner.events import ResponseStream
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.providers.answer import Answer, Heard
from copaw.providers.anthropic_wire import AnthropicReader
from copaw.providers.failures import CallFailure
from copaw.providers.gemini_wire import GeminiReader
from copaw.providers.openai_wire import OpenAIReader
from copaw.providers.provider_model import Reader, read_event

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=3) | st.floats(allow_nan=False, width=16),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def wild(**members: Any) -> Any:
    """An object with some of these members, each as it should be or anything at all."""
    optional = {name: value | ANYTHING for name, value in members.items()}
    return st.fixed_dictionaries({}, optional=optional)


CALL = wild(
    index=st.integers(0, 2), id=st.text(max_size=2), function=wild(name=st.just("f"), arguments=st.just('{"a":'))
)
PART = wild(
    type=st.sampled_from(["text", "thinking"]), text=st.text(max_size=2), thinking=st.lists(ANYTHING, max_size=2)
)
DELTA = wild(
    content=st.text(max_size=2) | st.lists(PART, max_size=2),
    reasoning_content=st.text(max_size=2),
    reasoning=st.text(max_size=2),
    tool_calls=st.lists(CALL, max_size=3),
)
COUNTS = wild(prompt_tokens=st.integers(0, 3), completion_tokens=st.integers(0, 3), prompt_tokens_details=ANYTHING)
CHOICE = wild(index=st.just(0), delta=DELTA, message=DELTA, finish_reason=st.sampled_from(["stop", "length"]))
OPENAI = wild(choices=st.lists(CHOICE, max_size=2), usage=COUNTS, error=ANYTHING)

BLOCK = wild(
    type=st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"]),
    id=st.text(max_size=2),
    name=st.text(max_size=2),
    input=ANYTHING,
    data=st.text(max_size=2),
    text=st.text(max_size=2),
    thinking=st.text(max_size=2),
    signature=st.text(max_size=2),
)
BLOCK_DELTA = wild(
    text=st.text(max_size=2),
    thinking=st.text(max_size=2),
    partial_json=st.text(max_size=2),
    signature=st.text(max_size=2),
    stop_reason=st.sampled_from(["end_turn", "max_tokens"]),
)
ANTHROPIC = wild(
    type=st.sampled_from(
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "message_delta",
            "message_stop",
            "error",
            "ping",
        ]
    ),
    index=st.integers(0, 2),
    content_block=BLOCK,
    delta=BLOCK_DELTA,
    message=wild(usage=wild(input_tokens=st.integers(0, 3))),
    usage=wild(output_tokens=st.integers(0, 3), cache_read_input_tokens=st.integers(0, 3)),
    content=st.lists(BLOCK, max_size=2),
    error=ANYTHING,
)

GEMINI_PART = wild(
    text=st.text(max_size=2),
    thought=st.booleans(),
    thoughtSignature=st.text(max_size=2),
    functionCall=wild(name=st.text(max_size=2), args=ANYTHING, id=st.text(max_size=2)),
)
CANDIDATE = wild(
    index=st.just(0),
    content=wild(parts=st.lists(GEMINI_PART, max_size=3)),
    finishReason=st.sampled_from(["STOP", "SAFETY"]),
)
GEMINI = wild(
    candidates=st.lists(CANDIDATE, max_size=2),
    usageMetadata=wild(promptTokenCount=st.integers(0, 3), candidatesTokenCount=st.integers(0, 3)),
    promptFeedback=wild(blockReason=st.text(max_size=2)),
    error=ANYTHING,
)


@pytest.mark.parametrize(
    ("make", "events"),
    [(OpenAIReader, OPENAI), (AnthropicReader, ANTHROPIC), (GeminiReader, GEMINI)],
    ids=["openai", "anthropic", "gemini"],
)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_was_heard_is_sound_or_refused(make: Callable[[], Reader], events: Any, data: st.DataObject) -> None:
    reader, heard = make(), []
    said = data.draw(st.lists(events | ANYTHING, max_size=4))
    take = data.draw(st.sampled_from([reader.read, reader.whole]))
    with suppress(CallFailure):
        for event in said:
            read_event(take, json.dumps(event).encode(), heard)
    reader.end(heard)
    check(heard)


def check(heard: Heard) -> None:
    """Everything behind a reader can work with it."""
    answer = Answer()
    answer.add(heard)
    json.dumps(answer.blocks())
    if answer.usage is not None:
        assert all(type(count) is int and count >= 0 for count in answer.usage)
    events: list[Any] = []
    speaker = ResponseSpeaker(ResponseStream(events.append, "r", "s", 0), lambda name: name.strip() or None)
    speaker.hear(heard)
    speaker.finish()
    json.dumps(events)
    for block in answer.blocks():
        assert {type(value) for value in (block.get("id", ""), block.get("name", ""))} == {str}
