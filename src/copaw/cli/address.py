"""Which server a command talks to, read with plain JSON because pydantic would cost more than the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from copaw.errors import BadInput
from copaw.paths import Paths

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8088
RUNTIME_NAME = "runtime.json"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": DEFAULT_HOST}


def resolve(base_url: str | None, host: str | None, port: int | None, paths: Paths) -> str:
    """The server's address without a trailing slash.

    In this order: ``base_url``, ``host`` and ``port``, where the server last listened, 127.0.0.1:8088.

    :raises BadInput: ``base_url`` is not an http(s) address.
    """
    if base_url:
        return _clean(base_url)
    if host and port:
        return url_of(host, port)
    last_host, last_port = last_api(paths) or (DEFAULT_HOST, DEFAULT_PORT)
    return url_of(host or last_host, port or last_port)


def url_of(host: str, port: int) -> str:
    """``http://host:port`` for a client; a wildcard address becomes loopback, IPv6 gets its brackets."""
    reachable = _WILDCARDS.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def last_api(paths: Paths) -> tuple[str, int] | None:
    """Where the server last listened, from ``runtime.json``, else from the configuration file."""
    for found in _records(paths.working_dir / RUNTIME_NAME, paths.config_file):
        match found:
            case {"host": str(host), "port": int(port)}:
                return host, port
    return None


def _records(*files: Path) -> Iterator[object]:
    for file in files:
        try:
            document = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            # Only a hint is lost here. The server itself reports a file that it cannot read.
            continue
        if isinstance(document, dict):
            yield document.get("last_api")


def _clean(base_url: str) -> str:
    address = base_url.strip().rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise BadInput(f"--base-url must begin with http:// or https://, not {base_url!r}.", field="base_url")
    return address.removesuffix("/api")
