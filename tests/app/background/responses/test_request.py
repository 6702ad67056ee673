"""What a Responses request asks of an agent."""

from __future__ import annotations

from typing import Any

import pytest

from copaw.app.background.responses.request import agent_body, task_id_of
from copaw.errors import BadInput, NotFound


def test_text_is_one_message_of_the_user() -> None:
    body = agent_body({"input": "hello", "model": "m", "conversation": {"id": "s"}, "user": "u", "temperature": 1})
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": "hello"}]}
    assert body == {"input": [message], "model": "m", "session_id": "s", "user_id": "u"}


def test_the_parts_of_a_message_are_kept() -> None:
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "http://x/i"},
        {"type": "input_file", "file_url": "http://x/f", "filename": "f"},
    ]
    (message,) = agent_body({"input": [{"role": "developer", "content": parts}]})["input"]
    assert message["role"] == "system"
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "image_url": "http://x/i"},
        {"type": "file", "file_url": "http://x/f", "filename": "f"},
    ]


def test_a_response_before_gives_session_and_user() -> None:
    body = agent_body({"input": "x", "conversation": "other", "previous_response_id": "resp_1"}, ("s", "u"))
    assert (body["session_id"], body["user_id"], body["previous_response_id"]) == ("s", "u", "resp_1")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "function_call_output"}]}, "input.0"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input.0.content.0"),
        ({"input": "x", "conversation": 3}, "conversation"),
    ],
)
def test_bad_input_names_the_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        agent_body(body)
    assert caught.value.field == field


def test_the_id_of_a_response_names_its_task() -> None:
    assert task_id_of("resp_abc") == "abc"
    with pytest.raises(NotFound, match="begin with 'resp_'"):
        task_id_of("abc")
