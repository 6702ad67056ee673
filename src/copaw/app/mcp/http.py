"""HTTP for MCP: every request gets an answer, so that a broken one fails by itself and not the whole session.

``mcp``'s streamable HTTP transport lets one failed POST end all calls of a session, and a stream of events that
breaks before its answer leaves that call waiting for ever. This layer below it turns both into a JSON-RPC error
for the request concerned.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

CONNECTION_LOST = -32000
NEVER_RAN = -32087
"""Code of the error for a request that the server certainly did not begin with; ours, in JSON-RPC's server range."""

CONNECT_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 30.0
_MAX_REASON_CHARS = 200


class AnsweringClient(httpx.AsyncClient):
    """A client for one MCP server. Reading has no time limit of its own: each call has one.

    :param on_failure: called when a POST did not get through or its answer broke off.
    """

    def __init__(self, headers: Mapping[str, str], url: str, on_failure: Callable[[], None]) -> None:
        super().__init__(
            # Not compressed, because the error that may have to be added to a stream of events is not either.
            headers={"accept-encoding": "identity", **headers},
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S, write=WRITE_TIMEOUT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=10),
            # A proxy of the environment leads outward; it cannot reach this machine.
            trust_env=not _is_loopback(urlsplit(url).hostname or ""),
        )
        self._on_failure = on_failure

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As httpx's, but a POST always gets an answer in JSON-RPC."""
        if request.method != "POST":
            return await super().send(request, **options)
        number = _request_id(request)
        try:
            response = await super().send(request, **options)
        except httpx.TransportError as error:
            self._on_failure()
            code = NEVER_RAN if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else CONNECTION_LOST
            return _error_response(request, number, code, _sentence(error))
        if response.status_code >= httpx.codes.BAD_REQUEST and response.status_code != httpx.codes.NOT_FOUND:
            return await self._refused(request, number, response)
        if number is not None and "text/event-stream" in response.headers.get("content-type", ""):
            response.stream = _AnsweredStream(response.stream, number, self._on_failure)
        return response

    async def _refused(self, request: httpx.Request, number: object, response: httpx.Response) -> httpx.Response:
        try:
            body = (await response.aread()).decode("utf-8", "replace")[:_MAX_REASON_CHARS]
        except httpx.TransportError:
            body = ""
        finally:
            await response.aclose()
        self._on_failure()
        # The server has seen the request, so nothing is known of what it did.
        reason = f"The server answered HTTP {response.status_code} {response.reason_phrase}. {body}".rstrip()
        return _error_response(request, number, CONNECTION_LOST, reason)


class _AnsweredStream(httpx.AsyncByteStream):
    """Events of one answer. If they end before the answer came, an error is the answer.

    Whoever reads them stops reading at the answer, so what is added here is read only if there was none.
    """

    def __init__(self, inner: object, number: object, on_failure: Callable[[], None]) -> None:
        assert isinstance(inner, httpx.AsyncByteStream)
        self._inner = inner
        self._number = number
        self._on_failure = on_failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reason = "The connection ended before the answer came."
        try:
            async for chunk in self._inner:
                yield chunk
        except httpx.TransportError as error:
            reason = _sentence(error)
        self._on_failure()
        message = json.dumps(_error(self._number, CONNECTION_LOST, reason))
        yield f"\n\nevent: message\ndata: {message}\n\n".encode()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _request_id(request: httpx.Request) -> object:
    """The id of the JSON-RPC request in a POST; ``None`` if it is a notification or something else."""
    try:
        document = json.loads(request.content)
    except ValueError:
        return None
    return document.get("id") if isinstance(document, dict) and "method" in document else None


def _error(number: object, code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def _error_response(request: httpx.Request, number: object, code: int, message: str) -> httpx.Response:
    if number is None:
        return httpx.Response(httpx.codes.ACCEPTED, request=request)
    return httpx.Response(httpx.codes.OK, json=_error(number, code, message), request=request)


def _sentence(error: httpx.TransportError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
