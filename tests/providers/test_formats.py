"""One conversation in each protocol."""

from __future__ import annotations

from typing import Any

import pytest
from agentscope.message import Msg

from copaw.providers.anthropic_format import AnthropicFormatter
from copaw.providers.gemini_format import GeminiFormatter
from copaw.providers.openai_format import OpenAIFormatter

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
CACHE = {"cache_control": {"type": "ephemeral"}}


def talk(**extra: Any) -> list[Msg]:
    """A system prompt, a question with an image, a thought, a call that looked at an image, an answer."""
    use = {"type": "tool_use", "id": "call:1", "name": "look", "input": {"at": "x"}, **extra}
    thought = {"type": "thinking", "thinking": "hm", **({"signature": "sig"} if extra else {})}
    output = [{"type": "text", "text": "seen"}, IMAGE]
    return [
        Msg("system", "Be brief.", "system"),
        Msg("user", [{"type": "text", "text": "What is it?"}, IMAGE], "user"),
        Msg("Bot", [thought, use], "assistant"),
        Msg("system", [{"type": "tool_result", "id": "call:1", "name": "look", "output": output}], "system"),
        Msg("Bot", "A dot.", "assistant"),
    ]


async def test_openai() -> None:
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    call = {"id": "call:1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
    assert await OpenAIFormatter().format(talk()) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, url]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call:1", "content": "seen"},
        {"role": "user", "content": [{"type": "text", "text": "[Result of look]"}, url]},
        {"role": "assistant", "content": "A dot."},
    ]


async def test_a_provider_may_want_to_see_the_thoughts_of_this_turn_again() -> None:
    formatter = OpenAIFormatter(thinks_on=True)
    assert (await formatter.format(talk()))[2]["reasoning_content"] == "hm"
    later = await formatter.format([*talk(), Msg("user", "And now?", "user")])
    assert "reasoning_content" not in later[2]


async def test_audio_and_video_in_openais_form() -> None:
    sound = {"type": "audio", "source": {"type": "base64", "media_type": "audio/mpeg", "data": "AA"}}
    film = {"type": "video", "source": {"type": "url", "url": "https://h/a.mp4"}}
    (message,) = await OpenAIFormatter().format([Msg("user", [sound, film], "user")])
    assert message["content"] == [
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        {"type": "video_url", "video_url": {"url": "https://h/a.mp4"}},
    ]


async def test_anthropic() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    assert await AnthropicFormatter().format(talk(extra=1)) == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", **CACHE}]},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "x"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "seen"}, image]}
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "A dot.", **CACHE}]},
    ]


async def test_anthropic_is_not_told_what_another_model_thought_and_the_user_begins() -> None:
    messages = await AnthropicFormatter().format(talk()[2:])
    assert messages[0] == {"role": "user", "content": [{"type": "text", "text": "[Go on.]"}]}
    assert [part["type"] for part in messages[1]["content"]] == ["tool_use"]


async def test_gemini() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AA"}}
    call = {"functionCall": {"name": "look", "args": {"at": "x"}}, "thoughtSignature": "sig"}
    response = {"functionResponse": {"name": "look", "response": {"result": "seen"}}}
    assert await GeminiFormatter().format(talk(thought_signature="sig")) == [
        {"role": "system", "parts": [{"text": "Be brief."}]},
        {"role": "user", "parts": [{"text": "What is it?"}, image]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [response, image]},
        {"role": "model", "parts": [{"text": "A dot."}]},
    ]


@pytest.mark.parametrize("formatter", [OpenAIFormatter(), AnthropicFormatter(), GeminiFormatter()])
async def test_an_empty_conversation_is_none(formatter: Any) -> None:
    assert await formatter.format([Msg("Bot", [], "assistant")]) == []
