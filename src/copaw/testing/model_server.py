"""An OpenAI-compatible model server in a process of its own, for tests and benchmarks.

``python -m copaw.testing.model_server --port 0`` prints ``listening on http://127.0.0.1:PORT/v1`` and serves
until it is ended. What it answers is scripted by the requests: see :mod:`copaw.providers.directives`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from copaw.testing.announced import LISTENING, announced_process

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A running server. :param base_url: ends in ``/v1``."""

    base_url: str
    pid: int

    async def record(self, *, received: int = 0, disconnects: int = 0) -> dict[str, Any]:
        """What came in: ``requests`` (bodies), ``headers``, ``received``, ``connections``, ``open``, ``disconnects``.

        Waits until so many requests were received and so many clients hung up on one. The connection that
        asks is counted too.
        """
        query = {"received": str(received), "disconnects": str(disconnects)}
        return await self._call("GET", query)

    async def clear(self) -> None:
        """Forget what came in, and how often scripted failures have happened."""
        await self._call("DELETE", {})

    async def _call(self, method: str, query: dict[str, str]) -> dict[str, Any]:
        import httpx

        url = self.base_url.removesuffix("/v1") + "/requests"
        async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
            response = await client.request(method, url, params=query)
            answer: dict[str, Any] = response.raise_for_status().json()
            return answer


@asynccontextmanager
async def running_model_server(port: int = 0) -> AsyncIterator[ModelServer]:
    """Start the server and end it by its process id. It also ends when the process that started it does.

    :raises RuntimeError: it did not start.
    """
    command = ("-m", "copaw.testing.model_server", "--port", str(port), "--until-stdin-closes")
    async with announced_process(*command) as (url, process):
        yield ModelServer(url, process.pid)


async def serve(port: int, *, until_stdin_closes: bool = False) -> None:
    """Serve until cancelled, or until the other end of standard input is gone."""
    from copaw.testing.model_server_api import ModelApi

    loop = asyncio.get_running_loop()
    server = await loop.create_server(ModelApi().connection, HOST, port, backlog=1024)
    print(f"{LISTENING}http://{HOST}:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        if until_stdin_closes:
            await loop.run_in_executor(None, sys.stdin.read)
        else:
            await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m copaw.testing.model_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, until_stdin_closes=options.until_stdin_closes))


if __name__ == "__main__":
    main()
