"""Server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from starlette.responses import StreamingResponse

from copaw.app.runner.events import Event
from copaw.app.runner.task_tracker import Run

KEEP_ALIVE_S = 15.0
_KEEP_ALIVE = b": keep-alive\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(frames: AsyncIterable[bytes]) -> StreamingResponse:
    """A 200 answer of type ``text/event-stream``; it ends by closing."""
    return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)


async def frames_of(run: Run, after: int = -1) -> AsyncGenerator[bytes, None]:
    """The events of a run as frames, with a comment whenever nothing happens for 15 s.

    Closing it, as when the client goes away, ends nothing but this listening.
    """
    async with aclosing(run.follow(after)) as events:
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=KEEP_ALIVE_S)
                if not done:
                    yield _KEEP_ALIVE
                    continue
                event: Event | None = following.result()
                if event is None:
                    return
                yield event.frame
                following = asyncio.ensure_future(anext(events, None))
        finally:
            if not following.done():
                following.cancel()
                await asyncio.wait({following})
