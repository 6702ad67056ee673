from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.providers.answer import Answer, Usage
from copaw.providers.failures import NotTheProtocol, Reported
from copaw.providers.models import ProviderInfo
from copaw.providers.openai_wire import OpenAIReader, OpenAIWire
from copaw.providers.provider_model import CallSettings, Question

INFO = ProviderInfo(id="p", name="P", base_url="http://host/v1", api_key="sk-1")
HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def delta(**members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": members}]}


def call(index: int | None = 0, name: str | None = None, arguments: Any = None, call_id: str | None = None) -> Any:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": call_id, "function": {k: v for k, v in function.items() if v is not None}}


def read(*events: dict[str, Any]) -> tuple[list[dict[str, Any]], Usage | None]:
    reader, answer = OpenAIReader(), Answer()
    heard: Any = []
    for event in events:
        reader.read(event, heard)
    reader.end(heard)
    answer.add(heard)
    return answer.blocks(), answer.usage


def calls(*deltas: Any) -> list[tuple[str, str]]:
    blocks, _ = read(*(delta(tool_calls=[one]) for one in deltas))
    return [(block["name"], block["raw_input"]) for block in blocks]


def body_of(question: Question, **kwargs: Any) -> dict[str, Any]:
    request = OpenAIWire().request(CallSettings(INFO, "http://host/v1", kwargs), question)
    assert request.url == "http://host/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer sk-1"
    body: dict[str, Any] = json.loads(request.body)
    return body


def test_a_request_asks_for_a_stream_and_its_usage() -> None:
    body = body_of(Question("m", HI, TOOLS, "auto"), temperature=0.5)
    assert body == {
        "model": "m",
        "messages": HI,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "tools": TOOLS,
        "tool_choice": "auto",
    }


def test_a_provider_that_cannot_stream_is_asked_for_the_whole() -> None:
    body = body_of(Question("m", HI), stream=False)
    assert body == {"model": "m", "messages": HI, "stream": False}


def test_one_tool_may_be_asked_for() -> None:
    body = body_of(Question("m", HI, TOOLS, "f"))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert "tool_choice" not in body_of(Question("m", HI, None, "auto")), "there is nothing to choose from"


def test_tools_are_sent_as_they_are_now() -> None:
    wire = OpenAIWire()
    settings = CallSettings(INFO, "http://host/v1", {})
    for tools in (TOOLS, TOOLS, [*TOOLS, *TOOLS]):
        assert json.loads(wire.request(settings, Question("m", HI, tools)).body)["tools"] == tools


def test_half_a_surrogate_pair_is_sent_as_something_that_can_be_sent() -> None:
    body = body_of(Question("m", [{"role": "user", "content": "half \ud83d"}]))
    assert body["messages"] == [{"role": "user", "content": "half ?"}]


def test_without_a_key_none_is_sent() -> None:
    settings = CallSettings(INFO.model_copy(update={"api_key": ""}), "http://host/v1", {})
    assert "Authorization" not in OpenAIWire().request(settings, Question("m", HI)).headers


def test_text_and_thinking_of_every_kind() -> None:
    blocks, _ = read(
        delta(role="assistant", content=""),
        delta(reasoning_content="h"),
        delta(reasoning="m"),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "!"}]}]),
        delta(content="He", reasoning_content=None),
        delta(content=[{"type": "text", "text": "llo"}]),
        delta(content=None),
    )
    assert blocks == [{"type": "thinking", "thinking": "hm!"}, {"type": "text", "text": "Hello"}]


def test_only_the_first_choice_is_heard() -> None:
    event = {"choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]}
    assert read(event, {"choices": [{"index": 1, "delta": {"content": "B"}}]})[0] == [{"type": "text", "text": "A"}]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(9, 2, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}, Usage(9, 2, 8)),
        ({"prompt_tokens": None, "prompt_tokens_details": None}, Usage(0, 0)),
    ],
)
def test_usage_comes_in_a_chunk_without_choices(usage: dict[str, Any], expected: Usage) -> None:
    assert read(delta(content="x"), {"choices": [], "usage": usage})[1] == expected


def test_the_answer_is_complete_when_it_says_why_it_ends() -> None:
    reader = OpenAIReader()
    reader.read(delta(content="x"), [])
    assert not reader.complete
    reader.read({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, [])
    assert reader.complete
    assert not reader.over, "token counts may follow"


def test_calls_split_over_chunks_and_interleaved() -> None:
    assert calls(
        call(0, "f", "", "a"),
        call(1, "g", '{"x"', "b"),
        call(0, None, '{"y": '),
        call(1, None, ": 1}"),
        call(0, None, "2}"),
    ) == [("f", '{"y": 2}'), ("g", '{"x": 1}')]


def test_calls_under_one_index_are_told_apart_by_their_ids() -> None:
    assert calls(call(0, "f", "{}", "a"), call(0, "g", '{"x"', "b"), call(0, None, ":1}")) == [
        ("f", "{}"),
        ("g", '{"x":1}'),
    ]


def test_calls_without_an_index() -> None:
    assert calls(call(None, "f", "{", "a"), call(None, None, "}"), call(None, "g", "{}", "b")) == [
        ("f", "{}"),
        ("g", "{}"),
    ]
    assert calls(call(None, "f", {"a": 1}), call(None, "f", {"a": 2})) == [("f", '{"a": 1}'), ("f", '{"a": 2}')]


def test_a_name_that_is_repeated_or_empty_later_is_the_same_name() -> None:
    assert calls(call(0, "f", "{", "a"), call(0, "", "}", ""), call(0, "f", " ", "a")) == [("f", "{} ")]


def test_a_name_may_come_after_the_first_arguments() -> None:
    assert calls(call(0, None, "{", "a"), call(0, "", '"x": 1'), call(0, "f", "}")) == [("f", '{"x": 1}')]


def test_a_call_that_never_gets_a_name_gets_one_and_an_empty_one_is_none() -> None:
    assert calls(call(0, "", '{"x": 1}', "a"), call(1, "", "", "b")) == [("unnamed", '{"x": 1}')]


def test_a_call_without_an_id_gets_one() -> None:
    blocks, _ = read(delta(tool_calls=[call(0, "f", "{}")]))
    assert blocks[0]["id"].startswith("call_")


@pytest.mark.parametrize(
    ("error", "said", "status"),
    [
        ({"message": "Full.", "code": 503}, "Full", 503),
        ({"message": "Slow", "code": "rate_limit_exceeded"}, "Slow", 429),
        ({"message": "Oh", "type": "server_error", "code": None}, "Oh", 500),
        ("plain", "plain", None),
    ],
)
def test_an_error_within_the_answer(error: Any, said: str, status: int | None) -> None:
    with pytest.raises(Reported, match=said) as caught:
        read({"error": error})
    assert caught.value.status == status


def test_a_whole_answer_is_read_like_a_stream_of_one() -> None:
    reader, heard = OpenAIReader(), []
    message = {"content": "hi", "reasoning_content": "hm", "tool_calls": [call(None, "f", "{}", "a")]}
    reader.whole({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {}}, heard)
    assert [piece.text for piece in heard] == ["hm", "hi", "{}"]
    assert reader.complete


def test_a_whole_answer_without_choices_is_no_answer() -> None:
    with pytest.raises(NotTheProtocol, match="no choices"):
        OpenAIReader().whole({"object": "list"}, [])


def test_an_answer_that_was_too_long_marks_the_call_it_broke_off_in() -> None:
    cut = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    blocks, _ = read(delta(tool_calls=[call(0, "f", "{}", "a")]), delta(tool_calls=[call(1, "g", '{"x', "b")]), cut)
    assert [(block["input"], block.get("cut")) for block in blocks] == [({}, None), ({}, True)]


def test_what_the_vendors_client_takes_beside_the_request_means_the_same() -> None:
    kwargs = {"extra_body": {"enable_thinking": False}, "extra_headers": {"X-A": 1}, "timeout": 7, "stream_options": {}}
    info = INFO.model_copy(update={"generate_kwargs": kwargs})
    request = OpenAIWire().request(CallSettings.of(info, "http://host/v1", "m"), Question("m", HI))
    body = json.loads(request.body)
    assert body == {"model": "m", "messages": HI, "stream": True, "stream_options": {}, "enable_thinking": False}
    assert request.headers["X-A"] == "1"
    assert request.read_timeout_s == 7
