"""The scripted model server, which here says in its first word of an answer when it began to give it."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from copaw.providers.directives import Turn
from copaw.testing.model_server_api import ModelApi


class StampedApi(ModelApi):
    """Answers of N tokens begin with the time of the clock that all processes of the machine share."""

    def _deltas(self, turn: Turn) -> list[dict[str, Any]]:
        deltas = super()._deltas(turn)
        if turn.script.tokens and turn.call is None:
            # Called right before the first byte is written.
            deltas[1 + len(turn.script.think.split())] = {"content": f"@{time.monotonic():.6f} "}
        return deltas


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(StampedApi().connection, "127.0.0.1", 0, backlog=1024)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
