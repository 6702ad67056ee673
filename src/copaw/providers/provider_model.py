"""Models that are called over HTTP, in whatever protocol their provider speaks."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from copaw.ports import Json
from copaw.providers.answer import Heard, Usage, is_sound
from copaw.providers.chat_model import ChatModel
from copaw.providers.failures import BrokeOff, NotTheProtocol
from copaw.providers.limits import LLMLimits
from copaw.providers.models import ProviderInfo
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.retry import stream_with_retry
from copaw.providers.sse import SseDecoder
from copaw.providers.surrogates import Joiner
from copaw.providers.transport import READ_TIMEOUT_S, HttpRequest, Reply, Transport

_DONE = b"[DONE]"
_MAX_WHOLE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CallSettings:
    """A provider's settings at the moment of a call.

    :param address: where its protocol begins, without a slash at the end.
    :param generate_kwargs: further members of the request.
    :param headers: further headers.
    :param read_timeout_s: the longest silence.
    """

    info: ProviderInfo
    address: str
    generate_kwargs: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    read_timeout_s: float = READ_TIMEOUT_S

    @classmethod
    def of(cls, info: ProviderInfo, address: str, model_id: str) -> CallSettings:
        """From what is configured. What the vendors' Python clients take beside the request means the same here:
        ``extra_body``, ``extra_headers`` and ``timeout`` in seconds."""
        members = info.request_kwargs(model_id)
        body, headers = members.pop("extra_body", None), members.pop("extra_headers", None)
        timeout = members.pop("timeout", None)
        if isinstance(body, dict):
            members |= body
        sent = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
        patient = timeout if isinstance(timeout, int | float) and timeout > 0 else READ_TIMEOUT_S
        return cls(info, address, members, sent, patient)

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpRequest:
        """A request with these settings; ``path`` comes behind the address."""
        json_headers = {"Content-Type": "application/json", **headers, **self.headers}
        return HttpRequest("POST", f"{self.address}{path}", json_headers, body, self.read_timeout_s)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; see :meth:`ChatModel.converse`."""

    model: str
    messages: list[Json]
    tools: list[Json] | None = None
    tool_choice: str | None = None


class Reader(Protocol):
    """Reads one answer."""

    complete: bool
    """The model has said all it wants to say."""
    over: bool
    """Nothing more comes, not even token counts."""

    def read(self, event: Json, heard: Heard) -> None:
        """Add what an event of the stream says. :raises CallFailure: it reports an error."""

    def whole(self, body: Any, heard: Heard) -> None:
        """Add what an answer says that came as a whole. :raises CallFailure: it reports an error."""

    def end(self, heard: Heard) -> None:
        """Add what was kept back; called once after the last event."""


class Wire(Protocol):
    """A protocol of a kind of provider."""

    def request(self, settings: CallSettings, question: Question) -> HttpRequest:
        """The request that asks for a streamed answer."""

    def reader(self) -> Reader:
        """A reader for one answer."""


class ProviderChatModel(ChatModel):
    """A model behind HTTP. It owns no connections.

    Each call asks for the provider's settings anew, so that a changed key counts at once, without a reload.

    :param settings: raises :class:`ModelNotConfigured` if the model cannot be called.
    :param record: told of the tokens of each call that was answered, also when the answer broke off.
    """

    def __init__(
        self,
        model_name: str,
        *,
        wire: Wire,
        settings: Callable[[], CallSettings],
        transport: Transport,
        gate: ProviderGate,
        limits: LLMLimits,
        record: Callable[[Usage], None] = lambda usage: None,
    ) -> None:
        super().__init__(model_name)
        self._wire = wire
        self._settings = settings
        self._transport = transport
        self._gate = gate
        self._limits = limits
        self._record = record

    def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        """See :meth:`ChatModel.converse`."""
        settings = self._settings()
        request = self._wire.request(settings, Question(self.model_name, messages, tools, tool_choice))
        return stream_with_retry(
            lambda: self._attempt(request),
            gate=self._gate,
            limits=self._limits,
            info=settings.info,
            model=self.model_name,
        )

    async def _attempt(self, request: HttpRequest) -> AsyncGenerator[Heard, None]:
        usage: Usage | None = None
        halves = Joiner()
        try:
            async with self._transport.send(request) as reply, aclosing(_read(reply, self._wire.reader())) as answer:
                async for heard in answer:
                    usage = next((item for item in heard if isinstance(item, Usage)), usage) or Usage(0, 0)
                    yield halves.join(heard)
                if rest := halves.end():
                    yield rest
        finally:
            if usage is not None:
                self._record(usage)


async def _read(reply: Reply, reader: Reader) -> AsyncGenerator[Heard, None]:
    if reply.content_type in ("application/json", "text/html"):
        whole = await _read_whole(reply, reader)
        if whole:
            yield whole
        return
    async with aclosing(_read_stream(reply, reader)) as stream:
        async for heard in stream:
            yield heard


async def _read_whole(reply: Reply, reader: Reader) -> Heard:
    """Some providers answer as a whole although they were asked to stream, and report errors that way."""
    heard: Heard = []
    body = await reply.read(_MAX_WHOLE_BYTES)
    if body.startswith((b"data:", b"event:")):
        decoder = SseDecoder()
        heard = _hear([*decoder.feed(body), *decoder.end()], reader)
    else:
        read_event(reader.whole, body, heard)
    reader.end(heard)
    return heard


async def _read_stream(reply: Reply, reader: Reader) -> AsyncGenerator[Heard, None]:
    decoder = SseDecoder()
    first = b""
    async for chunk in reply.chunks():
        first = first or chunk
        try:
            events = decoder.feed(chunk)
        except ValueError as error:
            raise NotTheProtocol(str(error)) from None
        heard = _hear(events, reader)
        if heard:
            yield heard
        if reader.over:
            break
    if not reader.over:
        heard = _hear(decoder.end(), reader)
        if not decoder.found:
            raise NotTheProtocol(f"it begins with {_excerpt(first)}" if first else "it is empty")
        if heard:
            yield heard
    if not reader.complete:
        raise BrokeOff("the stream ended in the middle of it")
    rest: Heard = []
    reader.end(rest)
    if rest:
        yield rest
    await reply.finish()


def _hear(events: list[bytes], reader: Reader) -> Heard:
    heard: Heard = []
    for data in events:
        if data == _DONE:
            reader.complete = reader.over = True
        else:
            read_event(reader.read, data, heard)
        if reader.over:
            break
    return heard


def read_event(read: Callable[[Any, Heard], None], data: bytes, heard: Heard) -> None:
    """Let a reader take one event. :raises CallFailure: it is not in the form of the protocol, or reports an error."""
    try:
        event = json.loads(data)
    except ValueError:
        raise NotTheProtocol(f"{_excerpt(data)} is no JSON") from None
    known = len(heard)
    try:
        read(event, heard)
        if not all(is_sound(item) for item in heard[known:]):
            raise TypeError("something that should be a text is none")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Checking each member of each event before it is used would cost more than the reading.
        del heard[known:]
        raise NotTheProtocol(f"{_excerpt(data)} has another form") from error


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
