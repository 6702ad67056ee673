"""What a tool call through copaw costs over the same call through a bare ``mcp`` client.

Both talk to servers of the same kind and take turns call by call, so that the machine's mood hits both.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from copaw.app.mcp.client import running_client
from copaw.app.mcp.connect import Connector
from copaw.app.mcp.settings import resolved
from copaw.app.mcp.toolset import named
from copaw.config.models import MCPClientConfig
from copaw.ports import ToolContext
from copaw.testing.mcp_servers import http_config, running_http_server, stdio_config

WARM_UP, CALLS = 50, 600
Call = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def bare_call(config: dict[str, Any]) -> AsyncIterator[Call]:
    """``echo`` through ``mcp``'s own session and transport."""
    async with AsyncExitStack() as stack:
        if config["transport"] == "stdio":
            parameters = StdioServerParameters(command=config["command"], args=config["args"])
            streams = await stack.enter_async_context(stdio_client(parameters))
        else:
            streams = (await stack.enter_async_context(streamable_http_client(config["url"])))[:2]
        session = await stack.enter_async_context(ClientSession(*streams))
        await session.initialize()
        await session.list_tools()
        yield lambda: session.call_tool("echo", {"text": "hi"})


@asynccontextmanager
async def copaw_call(config: dict[str, Any]) -> AsyncIterator[Call]:
    """``echo`` through a pooled client and the tool that agents get."""
    settings = resolved("bench", MCPClientConfig.model_validate(config), {})
    async with running_client(settings, Connector(settings)) as client:
        await client.wait_settled()
        tool = next(tool for tool in named({"bench": client}, ()) if tool.name == "echo")
        with tempfile.TemporaryDirectory() as directory:
            context = ToolContext("bench", Path(directory))
            yield lambda: tool(context, {"text": "hi"})


async def _timed(call: Call) -> float:
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1e3


async def compare(config: dict[str, Any]) -> dict[str, float]:
    """Medians in milliseconds a call; ``added`` is the median of the differences."""
    async with bare_call(config) as bare, copaw_call(config) as ours:
        pairs = [(await _timed(bare), await _timed(ours)) for _ in range(WARM_UP + CALLS)][WARM_UP:]
    return {
        "bare_ms": statistics.median(bare for bare, _ in pairs),
        "copaw_ms": statistics.median(ours for _, ours in pairs),
        "added_ms": statistics.median(ours - bare for bare, ours in pairs),
    }


async def measure() -> dict[str, float]:
    """Numbers of both transports, such as ``stdio_added_ms``."""
    numbers = {f"stdio_{name}": value for name, value in (await compare(stdio_config())).items()}
    async with running_http_server() as server:
        numbers |= {f"http_{name}": value for name, value in (await compare(http_config(server.url))).items()}
    return numbers


if __name__ == "__main__":
    for name, value in asyncio.run(measure()).items():
        print(f"{name:16} {value:.3f}")
