"""agentscope-runtime's further dialects (A2A, OpenAI Responses, AG-UI) on our own runs.

This is the only module that knows agentscope-runtime. Its ``AgentApp`` brings the routes and their shapes; every
request ends in ``DynamicMultiAgentRunner``, so it holds a lease like any other work. Its task engine stays off.
The import takes seconds and tens of megabytes, so the first request to one of these routes pays for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.runner.events import Event, error_object
from copaw.app.runner.request import AgentRequest, InputMessage, now_s, parse_request
from copaw.errors import BadInput
from copaw.ports import Json

ROUTES = (
    ("/.well-known/agent-card.json", "GET"),
    ("/.well-known/agent.json", "GET"),
    ("/ag-ui", "POST"),
)
"""Paths below ``/api/agent`` that are served by ``AgentApp``."""
A2A_PATH = "/a2a"
RESPONSES_PATH = "/compatible-mode/v1/responses"
"""Two more, for what the task ledger does not answer: see the routers of their names."""

_agent_id: contextvars.ContextVar[str] = contextvars.ContextVar("copaw_agent_id")


class ProtocolRoutes:
    """Serves ``AgentApp``'s routes for whichever agent a request is for.

    Use :meth:`handle` for requests and :meth:`aclose` at the end.
    """

    def __init__(self, runner: DynamicMultiAgentRunner) -> None:
        self._runner = _RuntimeRunner(runner)
        self._stack = AsyncExitStack()
        self._loading = asyncio.Lock()
        self._app: ASGIApp | None = None

    async def handle(self, agent_id: str, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as ``AgentApp`` would at ``path``."""
        app = await self._load()
        _agent_id.set(agent_id)
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await app(inner, receive, send)

    async def _load(self) -> ASGIApp:
        async with self._loading:
            if self._app is None:
                agent_app = await asyncio.to_thread(_make_agent_app, self._runner)
                await self._stack.enter_async_context(agent_app.router.lifespan_context(agent_app))
                # The router, not the application: its middleware would wrap every stream once more.
                self._app = agent_app.router
        return self._app

    async def aclose(self) -> None:
        await self._stack.aclose()


def _make_agent_app(runner: _RuntimeRunner) -> Any:
    from agentscope_runtime.engine.app import AgentApp

    return AgentApp(
        runner=runner,
        app_name="copaw",
        app_description="A personal AI agent.",
        enable_stream_task=False,
    )


class _RuntimeRunner:
    """What ``AgentApp`` takes for its runner: its requests in, its event classes out."""

    def __init__(self, runner: DynamicMultiAgentRunner) -> None:
        self._runner = runner

    async def query_handler(self, *args: Any, **kwargs: Any) -> None:
        """Only its signature is read."""

    async def __aenter__(self) -> _RuntimeRunner:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def stream_query(self, request: Any, **_: Any) -> AsyncGenerator[Any, None]:
        """Run a request of agentscope-runtime and yield events of its classes.

        One that cannot be run is a failed response: the protocols' adapters swallow what is raised here.
        """
        try:
            parsed = _to_request(request)
        except BadInput as error:
            yield _refusal(error)
            return
        async with aclosing(self._runner.stream_query(parsed, _agent_id.get())) as events:
            async for event in events:
                yield _to_runtime(event)


def _to_request(request: Any) -> AgentRequest:
    body: Json = request if isinstance(request, dict) else request.model_dump(mode="json", exclude_none=True)
    body = {key: value for key, value in body.items() if key != "id"}
    try:
        messages = [InputMessage.model_validate(message) for message in body.get("input") or []]
    except ValidationError as error:
        raise BadInput(f"Field 'input': {error.errors()[0]['msg']}.", field="input") from error
    body["input"] = [message.model_dump(mode="json", exclude_none=True) for message in messages]
    return parse_request(body)


def _refusal(error: BadInput) -> Any:
    from agentscope_runtime.engine.schemas import agent_schemas as schemas

    failed = {"status": "failed", "created_at": now_s(), "error": error_object(error.code, error.message)}
    return schemas.AgentResponse.model_validate({"object": "response", "id": f"response_{uuid.uuid4()}", **failed})


def _to_runtime(event: Event) -> Any:
    from agentscope_runtime.engine.schemas import agent_schemas as schemas

    payload = event.payload
    match payload["object"], payload.get("type"):
        case "response", _:
            return schemas.AgentResponse.model_validate(payload)
        case "message", _:
            return schemas.Message.model_validate(payload)
        case "content", "text":
            return schemas.TextContent.model_validate(payload)
        case "content", "data":
            return schemas.DataContent.model_validate(payload)
        case "content", "image":
            return schemas.ImageContent.model_validate(payload)
        case "content", "audio":
            return schemas.AudioContent.model_validate(payload)
        case "content", "video":
            return schemas.VideoContent.model_validate(payload)
        case _:
            return schemas.FileContent.model_validate(payload)
