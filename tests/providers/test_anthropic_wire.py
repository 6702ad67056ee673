from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.providers.answer import Answer
from copaw.providers.anthropic_wire import AnthropicReader, AnthropicWire
from copaw.providers.failures import NotTheProtocol, Reported
from copaw.providers.models import ProviderInfo
from copaw.providers.provider_model import CallSettings, Question

INFO = ProviderInfo(id="a", name="A", base_url="http://host", api_key="sk-ant", chat_model="AnthropicChatModel")
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]
HI = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def request(question: Question, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    request = AnthropicWire().request(CallSettings(INFO, "http://host", kwargs), question)
    return request, json.loads(request.body)


def test_a_request() -> None:
    system = {"role": "system", "content": [{"type": "text", "text": "s"}]}
    sent, body = request(Question("m", [system, *HI], TOOLS, "required"), temperature=0)
    assert sent.url == "http://host/v1/messages"
    assert sent.headers["x-api-key"] == "sk-ant"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert body == {
        "model": "m",
        "max_tokens": 8192,
        "stream": True,
        "temperature": 0,
        "system": [{"type": "text", "text": "s"}],
        "messages": HI,
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
    }


def test_the_length_of_an_answer_can_be_set_and_one_tool_asked_for() -> None:
    _, body = request(Question("m", HI, TOOLS, "f"), max_tokens=9)
    assert body["max_tokens"] == 9
    assert body["tool_choice"] == {"type": "tool", "name": "f"}
    assert "tools" not in request(Question("m", HI))[1]


def read(*events: dict[str, Any]) -> Answer:
    reader, answer, heard = AnthropicReader(), Answer(), []
    for event in events:
        reader.read(event, heard)
    answer.add(heard)
    return answer


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def test_blocks_that_think_hide_search_speak_and_call() -> None:
    answer = read(
        {"type": "ping"},
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="hm"),
        delta(0, type="signature_delta", signature="sig"),
        start(1, type="redacted_thinking", data="xyz"),
        start(2, type="server_tool_use", id="s", name="web_search"),
        delta(2, type="input_json_delta", partial_json="{}"),
        start(3, type="text", text=""),
        delta(3, type="text_delta", text="Hi"),
        delta(3, type="citations_delta", citation={}),
        start(4, type="tool_use", id="t", name="f", input={}),
        delta(4, type="input_json_delta", partial_json=""),
        delta(4, type="input_json_delta", partial_json='{"a":1}'),
    )
    assert answer.blocks() == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "thinking", "thinking": "", "redacted": "xyz"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "raw_input": '{"a":1}'},
    ]


def test_tokens_from_the_cache_are_input_too() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100}
    answer = read(
        {"type": "message_start", "message": {"usage": usage}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    )
    assert answer.usage == (123, 7, 20)


@pytest.mark.parametrize(
    ("kind", "status"), [("overloaded_error", 503), ("rate_limit_error", 429), ("invalid_request_error", None)]
)
def test_an_error_in_the_stream(kind: str, status: int | None) -> None:
    with pytest.raises(Reported, match="Busy") as caught:
        read({"type": "error", "error": {"type": kind, "message": "Busy"}})
    assert caught.value.status == status


def test_a_whole_answer() -> None:
    reader, answer, heard = AnthropicReader(), Answer(), []
    content = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]
    reader.whole({"type": "message", "content": content, "usage": {"input_tokens": 1, "output_tokens": 2}}, heard)
    answer.add(heard)
    assert [block["type"] for block in answer.blocks()] == ["text", "tool_use"]
    assert answer.blocks()[1]["input"] == {"a": 1}
    assert reader.complete
    with pytest.raises(NotTheProtocol, match="no content"):
        reader.whole({"object": "chat.completion"}, [])


def test_an_answer_that_was_too_long_marks_the_call_it_broke_off_in() -> None:
    answer = read(
        start(0, type="tool_use", id="t", name="f", input={}),
        delta(0, type="input_json_delta", partial_json='{"a":'),
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}},
    )
    assert answer.blocks()[0]["cut"] is True
