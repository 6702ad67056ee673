"""HTTP to model providers: one set of connections for the whole server, errors in our own terms."""

from __future__ import annotations

import asyncio
import io
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from copaw import __version__
from copaw.errors import LifecycleBug
from copaw.providers.failures import (
    BrokeOff,
    NotTheProtocol,
    StatusFailure,
    TookTooLong,
    Unreachable,
    error_message,
    seconds_to_wait,
)

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 600.0
_IDLE_S = 30.0
_END_TIMEOUT_S = 0.2
_ERROR_BYTES = 64 * 1024
_LARGE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a provider. :param read_timeout_s: the longest silence."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    read_timeout_s: float = READ_TIMEOUT_S


class Reply:
    """An answer that was not an error; its body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.content_type = response.content_type
        self.begun = False
        """Part of the body has been read."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        async for chunk in self._response.content.iter_any():
            self.begun = True
            yield chunk

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. :raises NotTheProtocol: it is larger than ``limit_bytes``."""
        body = await _read(self._response, limit_bytes + 1)
        if len(body) > limit_bytes:
            raise NotTheProtocol(f"it is larger than {limit_bytes} bytes")
        return body

    async def finish(self) -> None:
        """Read the last bytes, after which the connection can be used again; not for long."""
        if not self._response.content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(_END_TIMEOUT_S):
                    async for _ in self._response.content.iter_any():
                        pass


class Transport:
    """Sends requests. Use it in one event loop and end it with :meth:`aclose`.

    Keys travel with each request and how many there are is the gate's business, so providers, keys and agents
    share connections to the same host. Proxies are those of the environment when a host is first called.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._certificates: asyncio.Task[ssl.SSLContext] | None = None
        self._proxies: dict[str, str | None] = {}
        self._closed = False

    @asynccontextmanager
    async def send(self, request: HttpRequest) -> AsyncIterator[Reply]:
        """Send and wait for the head of the answer. Leaving closes the connection unless all was read.

        :raises CallFailure: no answer, an error status, or the connection broke while the body was read.
        :raises LifecycleBug: the transport is closed.
        """
        reply: Reply | None = None
        try:
            async with await self._request(request) as response:
                reply = Reply(response)
                with _noticing_the_end(response):
                    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                        raise await _status_failure(response)
                    yield reply
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise _failure(error, begun=reply is not None and reply.begun) from error

    async def aclose(self) -> None:
        """Close every connection. Calls under way fail."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _request(self, request: HttpRequest) -> aiohttp.ClientResponse:
        sent = _Sent()
        try:
            return await self._request_once(request, sent)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not sent.on_used_connection:
                raise
            # The provider closed a connection that was idle, and just then we used it.
            return await self._request_once(request, _Sent())

    async def _request_once(self, request: HttpRequest, sent: _Sent) -> aiohttp.ClientResponse:
        if self._closed:
            raise LifecycleBug("The model clients are closed; no call can be made any more.")
        if self._session is None:
            self._session = _session()
        address = urlsplit(request.url)
        secure = await self._ssl_context() if address.scheme == "https" else True
        # Large bodies are given as a file, or they would be written at one go.
        body = io.BytesIO(request.body) if len(request.body) > _LARGE_BYTES else request.body or None
        return await self._session.request(
            request.method,
            request.url,
            trace_request_ctx=sent,
            headers=request.headers,
            data=body,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=request.read_timeout_s),
            allow_redirects=False,  # a key is for the host it was given for
            proxy=self._proxy(address.scheme, address.hostname or ""),
            ssl=secure,
        )

    async def _ssl_context(self) -> ssl.SSLContext:
        if self._certificates is None:
            # Reading the trusted certificates takes tens of milliseconds.
            self._certificates = asyncio.create_task(asyncio.to_thread(_ssl_context), name="read-certificates")
        return await asyncio.shield(self._certificates)

    def _proxy(self, scheme: str, host: str) -> str | None:
        key = f"{scheme}://{host}"
        if key not in self._proxies:
            known = getproxies()
            proxy = None if proxy_bypass(host) else known.get(scheme) or known.get("all")
            kind = urlsplit(proxy or "http:").scheme
            if kind not in ("http", "https"):
                raise Unreachable(f"the environment names a {kind} proxy, and only HTTP proxies are supported")
            self._proxies[key] = proxy
        return self._proxies[key]


@contextmanager
def _noticing_the_end(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Fail the body when the connection is lost in the middle of it.

    aiohttp does that, except after bytes that are no HTTP: then who reads the body waits for ever.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None
    if closed is None:
        yield
        return

    def fail(_closed: object) -> None:
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(aiohttp.ClientPayloadError("The connection was lost."))

    closed.add_done_callback(fail)
    try:
        yield
    finally:
        closed.remove_done_callback(fail)


@dataclass(slots=True)
class _Sent:
    """How a request was sent."""

    on_used_connection: bool = False


async def _note_used_connection(session: Any, context: Any, params: Any) -> None:
    context.trace_request_ctx.on_used_connection = True


def _session() -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_used_connection)
    return aiohttp.ClientSession(
        trace_configs=[trace],
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"copaw/{__version__}"},
    )


def _ssl_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()  # bundled certificates, or those that SSL_CERT_FILE names


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= most_bytes:
            break
    return bytes(body)


async def _status_failure(response: aiohttp.ClientResponse) -> StatusFailure:
    location = response.headers.get("location")
    if location and response.status < HTTPStatus.BAD_REQUEST:
        said = f"it has moved to {location}"
    else:
        said = error_message(await _read(response, _ERROR_BYTES))
    return StatusFailure(response.status, said, seconds_to_wait(response.headers.get("retry-after", "")))


def _failure(error: Exception, *, begun: bool) -> Exception:
    reason = _reason(error)
    match error:
        case TimeoutError():
            return TookTooLong(reason)
        case aiohttp.ClientResponseError():
            return NotTheProtocol(f"it is no HTTP ({error.message or reason})")
        case aiohttp.ClientPayloadError():
            return BrokeOff("the connection was closed in the middle of it")
        case _:
            return BrokeOff(reason) if begun else Unreachable(reason)


def _reason(error: BaseException) -> str:
    match error:
        case aiohttp.ClientSSLError():
            return _tls_reason(error.__cause__ or error)
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno or 0
            return os.strerror(number) if number > 0 else str(error.os_error.strerror or error.os_error)
        case aiohttp.InvalidURL():
            return f"{error.url} is not a valid address"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
    return str(error) or type(error).__name__


def _tls_reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE can name others to trust"
    return f"no secure connection ({error})"
