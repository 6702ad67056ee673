"""``copaw mcp``: the MCP servers of an agent, and copaw as an MCP server."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import click

from copaw.cli.context import Root
from copaw.cli.output import print_json
from copaw.ports import Json

_agent = click.option("--agent-id", default="default", show_default=True, help="Whose MCP servers.")
_server = click.option("--base-url", help="Address of the copaw server, such as http://127.0.0.1:8088.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.group()
def mcp() -> None:
    """See and renew the MCP servers of an agent; offer this server's agents to MCP clients."""


@mcp.command("list")
@_agent
@_server
@_as_json
@click.pass_obj
def list_clients(root: Root, agent_id: str, base_url: str | None, as_json: bool) -> None:
    """Show every MCP server with its state."""
    clients = root.client(base_url, agent_id=agent_id).http.call("GET", "/api/mcp")
    if as_json:
        print_json(clients)
        return
    for client in clients:
        click.echo(_line(client))


@mcp.command()
@click.argument("key")
@_agent
@_server
@click.pass_obj
def tools(root: Root, key: str, agent_id: str, base_url: str | None) -> None:
    """Print the tools of one MCP server as JSON."""
    print_json(root.client(base_url, agent_id=agent_id).http.call("GET", f"/api/mcp/{quote(key, safe='')}/tools"))


@mcp.command()
@click.argument("key")
@_agent
@_server
@click.pass_obj
def restart(root: Root, key: str, agent_id: str, base_url: str | None) -> None:
    """Close the connection to one MCP server and open it again. Calls under way fail."""
    http = root.client(base_url, agent_id=agent_id).http
    click.echo(_line(http.call("POST", f"/api/mcp/{quote(key, safe='')}/restart")))


@mcp.command()
@_server
@click.pass_obj
def serve(root: Root, base_url: str | None) -> None:
    """Speak MCP on stdin and stdout: list_agents, chat, submit_task, wait_task, cancel_task.

    A copaw server must be running; give this command to an MCP client as a stdio server.
    """
    from copaw.cli.mcp_serve import serve_stdio

    asyncio.run(serve_stdio(root, base_url))


def _line(client: Json) -> str:
    problem = f"  {client['last_error']}" if client.get("last_error") else ""
    return f"{client['key']}  {client['status']}  {client['tool_count']} tools{problem}"
