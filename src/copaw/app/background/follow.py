"""Reading the events of a task that is not under way any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from copaw.app.background.outcome import frame_of, frames_in
from copaw.app.background.store import TaskStore

PAGE = 50


async def stored_frames(store: TaskStore, task_id: str, after: int) -> AsyncGenerator[bytes, None]:
    """The stored events above ``after`` as frames, chunk by chunk.

    Where events were left out there is one event ``{"object": "truncation", "first", "last"}`` in their place.
    """
    while chunks := await store.events(task_id, after, PAGE):
        for chunk in chunks:
            frames = []
            if chunk.first > after + 1:
                frames.append(_gap(after + 1, chunk.first - 1))
            frames += [frame for sequence, frame in frames_in(chunk) if sequence > after]
            after = chunk.last
            yield "".join(frames).encode()


def _gap(first: int, last: int) -> str:
    payload = {"object": "truncation", "status": "completed", "error": None, "first": first, "last": last}
    return frame_of(last, payload)
