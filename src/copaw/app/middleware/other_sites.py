"""A page of another web site must not act on this server through the browser of its user.

Without log-in a browser is all it takes: any page may send a POST to loopback, though it cannot read the answer.
Browsers say where a request comes from, and nothing else does: a request without ``Sec-Fetch-Site`` and ``Origin`` is
no browser's and passes. The rule is that of Fetch Metadata (W3C), and of ``Origin`` where a browser leaves that out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from copaw.app.error_answers import error_answer
from copaw.errors import Forbidden

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class RefuseOtherSites:
    """ASGI middleware.

    :param trusted_origins: such as ``https://console.example``; ``*`` trusts all.
    """

    def __init__(self, app: ASGIApp, trusted_origins: Collection[str] = ()) -> None:
        self._app = app
        self._trusted = frozenset(origin.rstrip("/").lower() for origin in trusted_origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] in _HARMLESS or self._may_pass(scope):
            return self._app(scope, receive, send)
        refusal = Forbidden(
            "A page of another web site may not change anything here. "
            "List its origin in COPAW_CORS_ORIGINS if it shall."
        )
        return error_answer(refusal)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        site = headers.get(b"sec-fetch-site")
        origin = headers.get(b"origin")
        if site in (b"same-origin", b"none") or (site is None and origin is None):
            return True
        name = (origin or b"").decode("latin-1").lower()
        if "*" in self._trusted or name in self._trusted:
            return True
        # A page cannot send x-forwarded-host to another site unless that site allows it beforehand.
        hosts = (headers.get(b"host"), headers.get(b"x-forwarded-host"))
        return site is None and _host_of(name) in [host.decode("latin-1").lower() for host in hosts if host]


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
