"""The events of a task as OpenAI Responses events, numbered so that a listener can go on where it left off.

The numbers count the events of this dialect from 0. They follow from the task's own events, which are the same live
and stored, so whoever resumes is shown them from the first one on and those up to ``after`` are left out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from copaw.app.background.records import TaskRecord
from copaw.app.background.responses.view import PARTS, STATUS, item_json, part_json, response_json
from copaw.ports import Json

_ENDS = {"completed": "response.completed", "failed": "response.failed"}
"""By status; the dialect has one more, ``response.incomplete``, for every other end."""


@dataclass(slots=True)
class _Item:
    """:param open: places of texts that are under way."""

    id: str
    kind: str
    index: int
    texts: list[str] = field(default_factory=list)
    open: set[int] = field(default_factory=set)


class ResponseEvents:
    """Turns one task's events into those of the dialect. Without their numbers, see :func:`response_frames`."""

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}

    def take(self, record: TaskRecord, payload: Json) -> Iterator[Json]:
        """The events that come of an event of the task."""
        match payload:
            case {"object": "response", "status": "in_progress"}:
                yield {"type": "response.in_progress", "response": response_json(record)}
            case {"object": "message", "id": str(item_id), "type": str(kind), "status": status} if kind in PARTS:
                yield from self._message(item_id, kind, str(status))
            case {"object": "content", "type": "text", "msg_id": str(item_id), "index": int(place), "text": str(text)}:
                item = self._items.get(item_id)
                if item is not None:
                    yield from self._text(item, place, text, delta=bool(payload.get("delta")))

    def _message(self, item_id: str, kind: str, status: str) -> Iterator[Json]:
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Item(item_id, kind, len(self._items))
            shown = item_json(kind, item_id, "in_progress", [])
            yield {"type": "response.output_item.added", "output_index": item.index, "item": shown}
        if status == "completed":
            shown = item_json(kind, item_id, status, item.texts)
            yield {"type": "response.output_item.done", "output_index": item.index, "item": shown}

    def _text(self, item: _Item, place: int, text: str, *, delta: bool) -> Iterator[Json]:
        at = {"item_id": item.id, "output_index": item.index, "content_index": place}
        kind = f"response.{PARTS[item.kind]}"
        logprobs: Json = {"logprobs": []} if item.kind == "message" else {}
        fresh = place not in item.open
        if fresh:
            item.open.add(place)
            yield {"type": "response.content_part.added", **at, "part": part_json(item.kind, "")}
        if delta or fresh:
            yield {"type": f"{kind}.delta", **at, "delta": text, **logprobs}
        if not delta:
            item.texts.append(text)
            yield {"type": f"{kind}.done", **at, "text": text, **logprobs}
            yield {"type": "response.content_part.done", **at, "part": part_json(item.kind, text)}


async def response_frames(
    frames: AsyncIterable[bytes],
    record: Callable[[], Awaitable[TaskRecord]],
    ended: Callable[[], Awaitable[TaskRecord]],
    after: int,
) -> AsyncGenerator[bytes, None]:
    """Events above ``after`` as server-sent events, to the end of the task.

    :param frames: the task's own events, as frames. :param record: answers the task as it is. :param ended: the same
        when it has ended.
    """
    events, number = ResponseEvents(), 0

    def shown(event: Json) -> bytes:
        nonlocal number
        number += 1
        return _frame(number - 1, event) if number - 1 > after else b""

    yield shown({"type": "response.created", "response": response_json(await record())})
    async for piece in frames:
        payloads = [json.loads(frame.partition(b"data: ")[2]) for frame in piece.split(b"\n\n") if b"data: " in frame]
        current = await record()
        out = b"".join(shown(event) for payload in payloads for event in events.take(current, payload))
        if out or not payloads:
            # What is no event keeps the connection open.
            yield out or piece
    last = await ended()
    kind = _ENDS.get(STATUS[last.state], "response.incomplete")
    yield shown({"type": kind, "response": response_json(last)})


def _frame(number: int, event: Json) -> bytes:
    body = json.dumps({**event, "sequence_number": number}, ensure_ascii=True, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {body}\n\n".encode()
