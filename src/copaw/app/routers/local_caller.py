"""Telling a caller on this machine who may read the secrets from everybody else."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets

from fastapi import Request

from copaw.config.secrets import SecretFiles
from copaw.errors import Forbidden

TOKEN_NAME = "local_token"


def local_token(files: SecretFiles) -> str:
    """The token that proves access to the secrets directory; made on first use. Blocking."""
    token = files.read(TOKEN_NAME).get("token") if TOKEN_NAME in files.names() else None
    if not isinstance(token, str) or not token:
        token = secrets.token_urlsafe(32)
        files.write(TOKEN_NAME, {"token": token})
    return token


async def require_local_caller(request: Request, files: SecretFiles) -> None:
    """:raises Forbidden: the caller is not on this machine, or does not show the token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    token = (await asyncio.to_thread(local_token, files)).encode()
    if not from_this_machine(request) or not hmac.compare_digest(given, token):
        raise Forbidden("Only a caller on this machine that shows the local token may do that.")


def from_this_machine(request: Request) -> bool:
    """Whether the other end of the connection is on this machine."""
    return _is_loopback(request.client.host if request.client else "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
