"""Answers that another ASGI application gives: agentscope-runtime's, for a dialect it speaks."""

import json
from typing import Any

from fastapi import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


class Handover(Response):
    """The answer of ``AgentApp`` at ``path``.

    :param body: what it shall read, if the request's own body was read already.
    :param unwrap: answer the bare ``response`` of an answer that is a Responses event.
    """

    def __init__(self, request: Request, agent_id: str, path: str, *, body: Any = None, unwrap: bool = False) -> None:
        super().__init__()
        self._request = request
        self._agent_id = agent_id
        self._path = path
        self._replay = None if body is None else json.dumps(body).encode()
        self._unwrap = unwrap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        receive = receive if self._replay is None else _replayed(self._replay, receive)
        send = _Unwrapping(send) if self._unwrap else send
        await self._request.app.state.protocols.handle(self._agent_id, self._path, scope, receive, send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more, and afterwards what still comes."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


class _Unwrapping:
    """Keeps an answer until it is whole, and sends the ``response`` in it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _bare(bytes(self._body))
        headers = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _bare(body: bytes) -> bytes:
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    match answer:
        case {"type": str(kind), "response": dict(response)} if kind.startswith("response."):
            return json.dumps(response, ensure_ascii=False).encode(errors="replace")
        case _:
            return body
