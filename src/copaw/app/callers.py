"""Who is at the other end of a request: where it comes from and which token it shows."""

from __future__ import annotations

import ipaddress

from starlette.types import Scope

_SCHEME = b"bearer "


def bearer_token(scope: Scope) -> str | None:
    """The token of ``Authorization: Bearer``; ``None`` if there is none, or more than one header."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) != 1 or found[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    # Not ASCII: no token of ours, but no error either.
    return found[0][len(_SCHEME) :].strip().decode("latin-1") or None


def client_address(scope: Scope) -> str:
    """The address of the other end, empty if it has none."""
    client = scope.get("client")
    return client[0] if client else ""


def from_this_machine(scope: Scope) -> bool:
    """Whether the other end is on this machine: on loopback, or at the very address that was called."""
    client, server = scope.get("client"), scope.get("server")
    if not client:
        return False
    return is_loopback(client[0]) or bool(server and client[0] == server[0] and _is_address(client[0]))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is an address of loopback. Names are not looked up."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
