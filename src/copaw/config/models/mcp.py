"""``mcp``: the MCP servers that an agent may use."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copaw.config.models.base import ConfigModel


class MCPClientConfig(ConfigModel):
    """One MCP server: a child process (``stdio``: command, args, env, cwd) or an address (url, headers)."""

    name: str
    description: str = ""
    enabled: bool = True
    transport: Literal["stdio", "streamable_http", "sse"] = "stdio"
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    command: str = ""
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str = ""


def default_mcp_clients() -> dict[str, MCPClientConfig]:
    """A web search that waits, switched off, for its key."""
    return {
        "tavily_search": MCPClientConfig(
            name="tavily_mcp",
            enabled=False,
            command="npx",
            args=["-y", "tavily-mcp@latest"],
            env={"TAVILY_API_KEY": ""},
        )
    }


class MCPConfig(ConfigModel):
    """The MCP servers by key."""

    clients: dict[str, MCPClientConfig] = Field(default_factory=default_mcp_clients)
