"""What a client needs of a session, whatever the transport: the port between our client and the ``mcp`` package."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from copaw.errors import CopawError
from copaw.ports import Json


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server describes it.

    :param repeatable: the server says that repeating a call changes nothing more (read-only or idempotent).
    """

    name: str
    description: str = ""
    input_schema: Json = field(default_factory=dict)
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What a call gave: MCP content items as JSON.

    :param structured: the structured form, if the server gives one.
    """

    content: list[Json]
    is_error: bool = False
    structured: Json | None = None


class CallFailed(CopawError):
    """The call of an MCP tool failed.

    :param message: what happened, for the model.
    """

    code = "MCP_CALL_FAILED"


class TransportFailed(CallFailed):
    """The answer of an MCP tool was lost.

    :param never_ran: the server certainly did not begin with the call.
    """

    code = "MCP_TRANSPORT_FAILED"

    def __init__(self, message: str, *, never_ran: bool = False) -> None:
        super().__init__(message)
        self.never_ran = never_ran


class Session(Protocol):
    """An initialised session."""

    lost: asyncio.Event
    """Set when nothing can come of this session any more."""

    tools_changed: asyncio.Event
    """Set when the server says that it offers other tools now."""

    async def list_tools(self) -> list[RemoteTool]:
        """All tools, from all pages."""

    async def call(self, tool: str, arguments: Mapping[str, Any], progress: Callable[[], None]) -> RemoteResult:
        """Call a tool. A cancelled wait tells the server so.

        :raises TransportFailed: no answer will come.
        :raises CallFailed: the server refused the call.
        """

    async def ping(self) -> None:
        """Ask for a sign of life. :raises CallFailed: there is none."""


OpenSession = Callable[[], AbstractAsyncContextManager[Session]]
"""Starts or reaches the server and initialises a session; ends both."""
