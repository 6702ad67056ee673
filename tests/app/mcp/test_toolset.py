"""Names that models take and that differ; one list until something changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from copaw.app.mcp.client import McpClient, running_client
from copaw.app.mcp.session import RemoteTool
from copaw.app.mcp.settings import ClientSettings
from copaw.app.mcp.toolset import AgentTools, named
from copaw.ports import ToolContext
from copaw.testing.fake_mcp import FakeMcp
from copaw.tools.registry import enabled_tools


async def client(*names: str) -> McpClient:
    """A client that lists these tools and is not connected any more."""
    server = FakeMcp(tools=[RemoteTool(name) for name in names], connect_s=0.0, close_s=0.0, call_s=0.0)
    async with running_client(ClientSettings(name="fake"), server) as made:
        await made.wait_settled()
    return made


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("plain-name_1", "plain-name_1"), ("a.b/c d", "a_b_c_d"), ("搜索", "tool"), ("x" * 100, "x" * 64), ("", "tool")],
)
async def test_names_are_made_fit_for_models(wanted: str, name: str) -> None:
    assert [tool.name for tool in named({"k": await client(wanted)}, ())] == [name]


async def test_a_name_that_is_taken_gets_the_key_of_its_client() -> None:
    names = {"one": ("read_file", "echo"), "two": ("echo", "echo"), "t/w": ("echo",)}
    tools = named({key: await client(*of) for key, of in names.items()}, {"read_file"})
    assert [tool.name for tool in tools] == ["one_read_file", "echo", "two_echo", "two_echo_2", "t_w_echo"]
    assert [tool.mcp_server for tool in tools] == ["one", "one", "two", "two", "t/w"]


async def test_the_list_is_the_same_object_until_a_client_changes() -> None:
    made = await client("echo")
    tools = AgentTools(enabled_tools({}), {"k": made})
    first = tools()
    assert tools() is first
    assert (tools.origin("echo"), tools.origin("read_file")) == ("k", None)
    made.tools, made.tools_version = (RemoteTool("other"),), made.tools_version + 1
    assert tools() is not first
    assert [tool.name for tool in tools()][-1] == "other"


async def test_a_schema_is_always_one_of_an_object() -> None:
    (tool,) = named({"k": await client("echo")}, ())
    assert tool.parameters == {"properties": {}, "type": "object"}


async def test_a_failure_is_a_result_that_says_what_happened(tmp_path: Path) -> None:
    (tool,) = named({"k": await client("echo")}, ())
    result = await tool(ToolContext("a", tmp_path), {})
    assert result.is_error
    assert result.content[0]["text"].startswith("echo failed: The MCP server 'fake' is not connected (closed)")
