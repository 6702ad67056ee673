"""The tools that copaw offers to MCP clients, over whatever reaches the agents."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import copaw
from copaw.errors import BadInput, CopawError
from copaw.ports import Json

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

MAX_WAIT_S = 3600.0
DEFAULT_WAIT_S = 60.0

_AGENT: Json = {
    "type": "string",
    "description": "Id of the agent (see list_agents); the default one if omitted.",
}
_TEXT: Json = {"type": "string", "description": "What to say to the agent."}
_SESSION: Json = {"type": "string", "description": "Session to go on with; a new one if omitted."}
_TASK: Json = {"type": "string", "description": "Id of the task, as submit_task answered it."}
_WAIT: Json = {
    "type": "number",
    "minimum": 0,
    "maximum": MAX_WAIT_S,
    "default": DEFAULT_WAIT_S,
    "description": "How long to wait, in seconds.",
}


class Agents(Protocol):
    """The agents of one copaw server. Each method raises ``CopawError``."""

    async def agents(self) -> list[Json]:
        """``{"id", "name", "description", "enabled"}`` of every agent."""

    async def chat(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        """The terminal response of one run."""

    async def submit(self, agent_id: str | None, text: str, session_id: str | None) -> Json:
        """``{"task_id", ...}`` of a background task that was accepted."""

    async def wait(self, task_id: str, timeout_s: float) -> Json:
        """The task, when it has ended or the time is over."""

    async def cancel(self, task_id: str) -> Json:
        """The task, after it was asked to end."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool. :param changes: whether calling it does more than look."""

    description: str
    properties: Json
    required: tuple[str, ...]
    run: Callable[[Agents, Mapping[str, Any]], Awaitable[str]]
    changes: bool = True


async def _list_agents(agents: Agents, _given: Mapping[str, Any]) -> str:
    return _json(await agents.agents())


async def _chat(agents: Agents, given: Mapping[str, Any]) -> str:
    response = await agents.chat(given.get("agent_id"), given["text"], given.get("session_id"))
    return f"{answer_of(response)}\n\n[SESSION: {response.get('session_id')}]"


async def _submit(agents: Agents, given: Mapping[str, Any]) -> str:
    return _json(await agents.submit(given.get("agent_id"), given["text"], given.get("session_id")))


async def _wait(agents: Agents, given: Mapping[str, Any]) -> str:
    timeout_s = given.get("timeout_seconds", DEFAULT_WAIT_S)
    task = await agents.wait(given["task_id"], min(float(timeout_s), MAX_WAIT_S))
    shown = {name: task.get(name) for name in ("id", "agent_id", "session_id", "state", "end_reason", "error")}
    result = task.get("result")
    if isinstance(result, dict) and result.get("status") == "completed":
        shown["answer"] = answer_of(result)
    return _json(shown)


async def _cancel(agents: Agents, given: Mapping[str, Any]) -> str:
    return _json(await agents.cancel(given["task_id"]))


TOOLS = {
    "list_agents": Offered("The agents of this server.", {}, (), _list_agents, changes=False),
    "chat": Offered(
        "Say something to an agent and wait for its answer. For long work use submit_task.",
        {"text": _TEXT, "agent_id": _AGENT, "session_id": _SESSION},
        ("text",),
        _chat,
    ),
    "submit_task": Offered(
        "Have an agent work in the background; answers the task's id at once.",
        {"text": _TEXT, "agent_id": _AGENT, "session_id": _SESSION},
        ("text",),
        _submit,
    ),
    "wait_task": Offered(
        "Wait for a background task, and get its state and, once it has ended, its answer.",
        {"task_id": _TASK, "timeout_seconds": _WAIT},
        ("task_id",),
        _wait,
        changes=False,
    ),
    "cancel_task": Offered("Ask a background task to end.", {"task_id": _TASK}, ("task_id",), _cancel),
}


def make_server(agents: Agents) -> Server[Any, Any]:
    """An MCP server of the ``mcp`` package, for any transport. It takes most of a second to import."""
    from mcp import types
    from mcp.server.lowlevel import Server

    server: Server[Any, Any] = Server("copaw", version=copaw.__version__)

    async def list_tools() -> list[types.Tool]:
        return [
            types.Tool(
                name=name,
                description=tool.description,
                inputSchema={"type": "object", "properties": tool.properties, "required": list(tool.required)},
                annotations=types.ToolAnnotations(readOnlyHint=not tool.changes),
            )
            for name, tool in TOOLS.items()
        ]

    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        text, is_error = await called(agents, name, arguments)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], isError=is_error)

    server.list_tools()(list_tools)  # type: ignore[no-untyped-call]
    server.call_tool()(call_tool)
    return server


async def called(agents: Agents, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """Call a tool: its text, and whether that tells of a failure."""
    tool = TOOLS.get(name)
    if tool is None:
        return f"There is no tool '{name}'. Tools: {', '.join(TOOLS)}.", True
    try:
        return await tool.run(agents, arguments), False
    except CopawError as error:
        return error.message, True


def answer_of(response: Json) -> str:
    """The text of the last message of a run. :raises BadInput: the run failed, and why."""
    if response.get("status") != "completed":
        error = response.get("error")
        raise BadInput(str(error.get("message")) if isinstance(error, dict) else f"The run ended: {error}")
    for message in reversed(response.get("output") or []):
        if message.get("type") == "message":
            return "".join(item.get("text", "") for item in message.get("content") or [] if item.get("type") == "text")
    return ""


def request_of(text: str, session_id: str) -> Json:
    """The body that starts a run."""
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
    return {"session_id": session_id, "input": [message]}


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1)
