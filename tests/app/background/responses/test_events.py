"""The events of a task in the dialect of OpenAI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from copaw.app.background.outcome import frame_of
from copaw.app.background.records import TaskRecord, TaskState
from copaw.app.background.responses.events import response_frames

RUNNING = TaskRecord("t", "a", "s", "u", TaskState.RUNNING, created_at=1.0, timeout_s=9.0)
OPEN = {"object": "message", "id": "m", "type": "message", "status": "in_progress"}
TEXT = {"object": "content", "type": "text", "msg_id": "m", "index": 0}
EVENTS: list[dict[str, Any]] = [
    {"object": "response", "status": "created"},
    {"object": "response", "status": "in_progress"},
    {**OPEN, "id": "call", "type": "plugin_call"},
    OPEN,
    {**TEXT, "delta": True, "text": "a"},
    {**TEXT, "delta": True, "text": "b"},
    {**TEXT, "delta": False, "text": "ab"},
    {**OPEN, "status": "completed"},
    {"object": "response", "status": "completed"},
]


async def shown(end: TaskState = TaskState.SUCCEEDED, after: int = -1) -> list[dict[str, Any]]:
    async def frames() -> AsyncIterator[bytes]:
        for number, event in enumerate(EVENTS):
            yield frame_of(number, event).encode()

    async def record() -> TaskRecord:
        return RUNNING

    async def ended() -> TaskRecord:
        return replace(RUNNING, state=end)

    whole = b"".join([piece async for piece in response_frames(frames(), record, ended, after)])
    return [json.loads(frame.partition(b"data: ")[2]) for frame in whole.split(b"\n\n") if frame]


async def test_every_event_is_one_that_openai_knows() -> None:
    found = await shown()
    known: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    assert [known.validate_python(event).sequence_number for event in found] == list(range(len(found)))
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert found[8]["item"]["content"][0]["text"] == "ab"


async def test_whoever_resumes_gets_exactly_what_is_missing() -> None:
    whole = await shown()
    for after in range(-1, len(whole)):
        assert await shown(after=after) == whole[after + 1 :]


async def test_the_last_event_tells_the_end() -> None:
    ends = {end: (await shown(end))[-1]["type"] for end in (TaskState.FAILED, TaskState.CANCELLED, TaskState.TIMED_OUT)}
    assert list(ends.values()) == ["response.failed", "response.incomplete", "response.incomplete"]
