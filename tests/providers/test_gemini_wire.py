from __future__ import annotations

import json
from typing import Any

import pytest

from copaw.providers.answer import Answer
from copaw.providers.failures import NotTheProtocol, Reported
from copaw.providers.gemini_wire import GeminiReader, GeminiWire
from copaw.providers.models import ProviderInfo
from copaw.providers.provider_model import CallSettings, Question

INFO = ProviderInfo(id="g", name="G", base_url="http://host", api_key="AIza", chat_model="GeminiChatModel")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}]
HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def request(question: Question, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    request = GeminiWire().request(CallSettings(INFO, "http://host", kwargs), question)
    return request, json.loads(request.body)


def test_a_request() -> None:
    system = {"role": "system", "parts": [{"text": "s"}]}
    sent, body = request(
        Question("gemini-x", [system, *HI], TOOLS, "f"),
        max_tokens=9,
        top_p=0.5,
        safety_settings=[],
        responseMimeType="x/y",
    )
    assert sent.url == "http://host/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
    assert sent.headers["x-goog-api-key"] == "AIza"
    assert body == {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": HI,
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [],
        "generationConfig": {"maxOutputTokens": 9, "topP": 0.5, "responseMimeType": "x/y"},
    }


def test_a_call_that_another_model_made_is_signed_for_the_models_that_insist() -> None:
    calls = [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}}}]
    talk = [*HI, {"role": "model", "parts": calls}]
    for model in ("gemini-3-pro", "models/gemini-flash-latest"):
        parts = request(Question(model, talk))[1]["contents"][1]["parts"]
        assert "thoughtSignature" in parts[0]
        assert "thoughtSignature" not in parts[1]
    assert request(Question("gemini-2.5-pro", talk))[1]["contents"][1]["parts"] == calls


def event(*parts: dict[str, Any], finish: str | None = None, **members: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [*parts]}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], **members}


def read(*events: dict[str, Any]) -> Answer:
    reader, answer, heard = GeminiReader(), Answer(), []
    for one in events:
        reader.read(one, heard)
    answer.add(heard)
    return answer


def test_parts_that_think_speak_and_call() -> None:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "cachedContentTokenCount": 4}
    answer = read(
        event({"text": "h", "thought": True}),
        event({"text": "m", "thought": True}),
        event({"text": "He"}, {"text": "llo"}),
        event({"text": "", "thoughtSignature": "t"}),
        event(
            {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
            {"functionCall": {"name": "g", "id": "7"}},
        ),
        event(finish="STOP", usageMetadata=usage),
    )
    thinking, text, first, second = answer.blocks()
    assert thinking == {"type": "thinking", "thinking": "hm"}
    assert text == {"type": "text", "text": "Hello", "thought_signature": "t"}
    assert (first["name"], first["input"], first["thought_signature"]) == ("f", {"a": 1}, "s")
    assert first["id"].startswith("call_")
    assert (second["id"], second["input"]) == ("7", {})
    assert answer.usage == (9, 5, 4)


def test_what_is_blocked_or_stopped_before_the_first_word_is_an_error() -> None:
    with pytest.raises(Reported, match="SAFETY"):
        read({"promptFeedback": {"blockReason": "SAFETY"}})
    with pytest.raises(Reported, match="MALFORMED_FUNCTION_CALL"):
        read(event(finish="MALFORMED_FUNCTION_CALL"))
    assert read(event({"text": "x"}), event(finish="SAFETY")).blocks() == [{"type": "text", "text": "x"}]


def test_errors_and_whole_answers() -> None:
    with pytest.raises(Reported, match="Quota") as caught:
        read({"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}})
    assert caught.value.status == 429
    reader, heard = GeminiReader(), []
    reader.whole([event({"text": "a"}), event({"text": "b"}, finish="STOP")], heard)
    assert [piece.text for piece in heard] == ["a", "b"]
    with pytest.raises(NotTheProtocol, match="no candidates"):
        reader.whole({"object": "list"}, [])
