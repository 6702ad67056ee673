"""What the scripted model server answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from email import message_from_bytes
from email.message import Message
from itertools import count
from typing import Any

from copaw.providers.directives import Failure, Turn, next_turn
from copaw.testing.model_server_dialects import LISTS, Dialect, Events, answer_of, dialect_of
from copaw.testing.model_server_http import Connection, Request

_KEPT_REQUESTS = 1000


def _parts(message: bytes) -> list[Message]:
    return [part for part in message_from_bytes(message).walk() if not part.is_multipart()]


class ModelApi:
    """A model, scripted by each request itself, and a record of what came in.

    Chats and lists of models as OpenAI, Anthropic, Gemini and Ollama have them; see
    :mod:`copaw.testing.model_server_dialects`.
    ``GET /requests[?received=N][&disconnects=N]`` answers the record, once there are that many;
    ``DELETE /requests`` forgets it.
    """

    def __init__(self) -> None:
        self._bodies: deque[Any] = deque(maxlen=_KEPT_REQUESTS)
        self._headers: deque[Any] = deque(maxlen=_KEPT_REQUESTS)
        self._counts = {"received": 0, "connections": 0, "open": 0, "disconnects": 0}
        self._failed: Counter[str] = Counter()
        self._numbers = count(1)
        self._changed = asyncio.Event()

    def connection(self) -> Connection:
        """A protocol instance for ``loop.create_server``."""
        return Connection(self._handle, self._opened, self._lost)

    def _opened(self) -> None:
        self._count("connections")
        self._count("open")

    def _lost(self, was_busy: bool) -> None:
        self._count("open", -1)
        if was_busy:
            self._count("disconnects")

    def _count(self, what: str, by: int = 1) -> None:
        self._counts[what] += by
        self._changed.set()
        self._changed = asyncio.Event()

    async def _handle(self, request: Request, connection: Connection) -> None:
        match request.method, request.path:
            case "POST", "/v1/audio/transcriptions":
                await self._transcribe(request, connection)
            case "POST", path if (dialect := dialect_of(path)) is not None:
                await self._chat(request, connection, dialect)
            case "GET", path if path in LISTS:
                await connection.send_json(200, LISTS[path])
            case "GET", "/requests":
                wanted = {key: int(request.query.get(key, "0")) for key in ("received", "disconnects")}
                while any(self._counts[key] < least for key, least in wanted.items()):
                    await self._changed.wait()
                await connection.send_json(
                    200, {**self._counts, "requests": [*self._bodies], "headers": [*self._headers]}
                )
            case "DELETE", "/requests":
                self._bodies.clear()
                self._headers.clear()
                self._failed.clear()
                self._counts.update(received=0, connections=0, disconnects=0)
                await connection.send_json(200, {"cleared": True})
            case _:
                await connection.send_json(404, _error(404, f"no {request.method} {request.path} here"))

    async def _transcribe(self, request: Request, connection: Connection) -> None:
        """What is heard in a file is its content after ``ID3``; a file without that is no sound."""
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form = {part.get_param("name", header="content-disposition"): part for part in _parts(head + request.body)}
        sound = form["file"].get_payload(decode=True) if "file" in form else b""
        if not isinstance(sound, bytes) or not sound.startswith(b"ID3"):
            await connection.send_json(400, _error(400, "this is no sound"))
            return
        self._bodies.append({"model": form["model"].get_payload(), "file": form["file"].get_filename()})
        self._count("received")
        await connection.send_json(200, {"text": sound.removeprefix(b"ID3").decode()})

    async def _chat(self, request: Request, connection: Connection, dialect: Dialect) -> None:
        try:
            body = json.loads(request.body)
            messages, tools = dialect.understood(body)
            turn = next_turn(messages, tools)
        except (ValueError, KeyError, TypeError) as error:
            await connection.send_json(400, _error(400, f"not a chat completion request: {error!r}"))
            return
        self._bodies.append(body)
        self._headers.append(dict(request.headers))
        self._count("received")
        failure = self._due_failure(turn, messages)
        if failure is not None:
            headers = {} if failure.retry_after_s is None else {"retry-after": f"{failure.retry_after_s:g}"}
            await connection.send_json(failure.status, _error(failure.status, "scripted failure"), headers)
        elif turn.script.hang and turn.call is None:
            await asyncio.Event().wait()  # ends when the client hangs up
        elif dialect.events is not None:
            await _send(dialect.events(turn, body), turn, connection)
        elif body.get("stream"):
            await self._stream(turn, body, connection)
        else:
            await asyncio.sleep(turn.script.delay_s)
            await connection.send_json(200, self._completion(turn, body))

    def _due_failure(self, turn: Turn, messages: list[Any]) -> Failure | None:
        failure = turn.script.fail
        if failure is None or not turn.is_first:
            return None
        key = json.dumps(messages[-1])
        self._failed[key] += 1
        if failure.times is None or self._failed[key] <= failure.times:
            return failure
        del self._failed[key]
        return None

    def _completion(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if turn.script.think:
            message["reasoning_content"] = turn.script.think
        pieces = []
        if turn.call is not None:
            message["tool_calls"] = [self._tool_call(turn)]
        else:
            pieces = turn.chunks(answer_of(turn))
            message["content"] = "".join(pieces)
        choice = {"index": 0, "message": message, "finish_reason": _finish(turn)}
        return {
            **self._envelope(body, "chat.completion"),
            "choices": [choice],
            "usage": _usage(body, len(pieces)),
        }

    async def _stream(self, turn: Turn, body: dict[str, Any], connection: Connection) -> None:
        envelope = json.dumps(self._envelope(body, "chat.completion.chunk"))[:-1]

        def chunk(delta: dict[str, Any], finish: str = "null") -> str:
            delta_json = json.dumps(delta, ensure_ascii=False)
            return f'{envelope}, "choices": [{{"index": 0, "delta": {delta_json}, "finish_reason": {finish}}}]}}'

        deltas = self._deltas(turn)
        connection.begin_events()
        for number, delta in enumerate(deltas):
            if number and turn.script.delay_s:
                await asyncio.sleep(turn.script.delay_s)
            if turn.script.cut and turn.call is None and number == max(1, len(deltas) // 2):
                connection.cut()
                return
            await connection.send_event(chunk(delta))
        await connection.send_event(chunk({}, f'"{_finish(turn)}"'))
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = json.dumps(_usage(body, len(deltas)))
            await connection.send_event(f'{envelope}, "choices": [], "usage": {usage}}}')
        await connection.send_event("[DONE]")
        connection.end_events()

    def _deltas(self, turn: Turn) -> list[dict[str, Any]]:
        deltas: list[dict[str, Any]] = []
        if turn.script.think:
            deltas += [{"reasoning_content": f"{word} "} for word in turn.script.think.split()]
        if turn.call is not None:
            whole = {"index": 0, **self._tool_call(turn)}
            arguments = whole["function"]["arguments"]
            middle = len(arguments) // 2
            head = {**whole, "function": {"name": turn.call.tool, "arguments": arguments[:middle]}}
            rest = {"index": 0, "function": {"arguments": arguments[middle:]}}
            deltas += [{"tool_calls": [head]}, {"tool_calls": [rest]}]
        else:
            deltas += [{"content": piece} for piece in turn.chunks(answer_of(turn))]
        return [{"role": "assistant", "content": ""}, *deltas]

    def _tool_call(self, turn: Turn) -> dict[str, Any]:
        assert turn.call is not None
        arguments = json.dumps(turn.call.arguments, ensure_ascii=False)
        function = {"name": turn.call.tool, "arguments": arguments}
        return {"id": f"call_{time.time_ns():x}_{next(self._numbers)}", "type": "function", "function": function}

    def _envelope(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        number = next(self._numbers)
        model = body.get("model") or "scripted"
        return {"id": f"chatcmpl-{number}", "object": kind, "created": int(time.time()), "model": model}


async def _send(events: Events, turn: Turn, connection: Connection) -> None:
    connection.begin_events()
    for name, data in events.head:
        await connection.send_event(json.dumps(data), name)
    for number, (name, data) in enumerate(events.pieces):
        if number and turn.script.delay_s:
            await asyncio.sleep(turn.script.delay_s)
        if turn.script.cut and turn.call is None and number == max(1, len(events.pieces) // 2):
            connection.cut()
            return
        await connection.send_event(json.dumps(data), name)
    for name, data in events.tail:
        await connection.send_event(json.dumps(data), name)
    connection.end_events()


def _finish(turn: Turn) -> str:
    return "stop" if turn.call is None else "tool_calls"


def _usage(body: dict[str, Any], completion: int) -> dict[str, int]:
    prompt = len(body["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "scripted", "code": status}}
