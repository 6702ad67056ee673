"""HTTP over the standard library: a third-party client would take longer to import than a call takes."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from copaw.cli.sse import read_events
from copaw.errors import BadInput, CopawError
from copaw.ports import Json

CONNECT_TIMEOUT_S = 5.0


class NoServer(CopawError):
    """No copaw server answers."""

    code = "NO_SERVER"

    def __init__(self, base_url: str) -> None:
        super().__init__(f"No copaw server answers at {base_url}; start one with `copaw app`.")


class ServerRefused(CopawError):
    """The server answered with an error.

    :param status: the HTTP status.
    """

    code = "SERVER_REFUSED"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ServerSilent(CopawError):
    """The server did not answer in time, or hung up."""

    code = "SERVER_SILENT"


class Transport:
    """Calls to one server, each over a connection of its own, so threads may share it.

    :param base_url: without a trailing slash.
    :param agent_id: sent as ``X-Agent-Id``; ``None`` leaves the choice to the server.
    :param timeout_s: default time for one whole call.
    :param token: sent as ``Authorization: Bearer``.
    """

    def __init__(
        self, base_url: str, *, agent_id: str | None = None, timeout_s: float = 30.0, token: str | None = None
    ) -> None:
        if agent_id is not None and not (agent_id.isascii() and agent_id.isprintable()):
            raise BadInput(f"An agent id has printable ASCII characters only, not {agent_id!r}.", field="agent_id")
        self.base_url = base_url
        self._agent_id = agent_id
        self._timeout_s = timeout_s
        self._token = token

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send one request and return the answer's JSON.

        :param query: parameters; those that are ``None`` are left out.
        :raises NoServer: nothing listens there.
        :raises ServerRefused: status 400 or above.
        :raises ServerSilent: no answer in time, or not the answer of a copaw server.
        """
        with self._exchange(method, path, query, body, timeout_s) as (response, _):
            raw = response.read()
            _raise_for_status(response, raw)
            return self._parse(response, raw)

    def events(self, path: str, body: object, *, timeout_s: float | None = None) -> Iterator[Json]:
        """POST a request and yield the events of its stream. Raises as :meth:`call` does.

        :param timeout_s: for the whole stream.
        """
        with self._exchange("POST", path, None, body, timeout_s) as (response, lines):
            if response.status >= 400:
                _raise_for_status(response, response.read())
            if "text/event-stream" not in response.getheader("content-type", ""):
                raise self._foreign(response)
            yield from read_events(lines)

    @contextmanager
    def _exchange(
        self, method: str, path: str, query: Mapping[str, str | None] | None, body: object, timeout_s: float | None
    ) -> Iterator[tuple[http.client.HTTPResponse, Iterator[bytes]]]:
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        connection, prefix = self._connect(min(limit_s, CONNECT_TIMEOUT_S))
        deadline = time.monotonic() + limit_s
        headers = {"Accept": "application/json, text/event-stream", "Connection": "close"}
        if self._agent_id is not None:
            headers["X-Agent-Id"] = self._agent_id
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        payload = None
        if body is not None:
            payload = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        try:
            stream: socket.socket = connection.sock
            stream.settimeout(limit_s)
            connection.request(method, _target(prefix + path, query), payload, headers)
            response = connection.getresponse()
            yield response, _lines_until(response, stream, deadline)
        except TimeoutError as error:
            raise ServerSilent(
                f"No end within {limit_s:g} s from {self.base_url}; what was asked for may still go on there."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ServerSilent(f"The connection to {self.base_url} broke before the answer was whole.") from error
        finally:
            connection.close()

    def _connect(self, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
        try:
            parts = urlsplit(self.base_url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
            connection.connect()
        except ValueError as error:
            raise BadInput(f"{self.base_url!r} is not a server address: {error}.", field="base_url") from error
        except OSError as error:
            raise NoServer(self.base_url) from error
        return connection, parts.path

    def _parse(self, response: http.client.HTTPResponse, raw: bytes) -> Any:
        if not raw:
            return None
        try:
            return json.loads(raw)
        except ValueError as error:
            raise self._foreign(response) from error

    def _foreign(self, response: http.client.HTTPResponse) -> ServerSilent:
        kind = response.getheader("content-type") or "no content type"
        return ServerSilent(f"{self.base_url} answers, but not as a copaw server does ({kind}); check the address.")


def _lines_until(response: http.client.HTTPResponse, stream: socket.socket, deadline: float) -> Iterator[bytes]:
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        stream.settimeout(left_s)
        line = response.readline()
        if not line:
            return
        yield line


def _target(path: str, query: Mapping[str, str | None] | None) -> str:
    given = {key: value for key, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _raise_for_status(response: http.client.HTTPResponse, raw: bytes) -> None:
    if response.status >= 400:
        raise ServerRefused(response.status, _sentence(response, raw))


def _sentence(response: http.client.HTTPResponse, raw: bytes) -> str:
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    match document:
        case {"detail": str(text)} | {"error": {"message": str(text)}} | {"error": str(text)} if text:
            return text
        case {"detail": list(problems)}:
            return "; ".join(_problem(problem) for problem in problems)
    return f"The server answered {response.status} {response.reason} without a reason."


def _problem(problem: object) -> str:
    match problem:
        case {"loc": list(loc), "msg": str(text)}:
            return f"{'.'.join(str(part) for part in loc)}: {text}"
    return str(problem)
