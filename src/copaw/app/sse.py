"""Server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from starlette.responses import StreamingResponse

from copaw.app.runner.task_tracker import Run

KEEP_ALIVE_S = 15.0
_KEEP_ALIVE = b": keep-alive\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(frames: AsyncIterable[bytes]) -> StreamingResponse:
    """A 200 answer of type ``text/event-stream``; it ends by closing."""
    return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)


async def frames_of(run: Run, after: int = -1) -> AsyncGenerator[bytes, None]:
    """The events of a run as frames, with a comment whenever nothing happens for 15 s.

    What is there at once goes out at once, in one piece. Closing it, as when the client goes away, ends nothing
    but this listening.
    """
    position = after + 1
    while True:
        events = await run.more(position, KEEP_ALIVE_S)
        if events:
            position += len(events)
            yield b"".join(event.frame for event in events)
        elif run.status.terminal:
            return
        else:
            yield _KEEP_ALIVE
