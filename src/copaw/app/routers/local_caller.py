"""Telling a caller on this machine who may read the secrets from everybody else."""

from __future__ import annotations

import asyncio
import hmac

from fastapi import Request

from copaw.app.callers import bearer_token, from_this_machine
from copaw.config.secrets import SecretFiles
from copaw.errors import Forbidden
from copaw.security.local_token import local_token


async def require_local_caller(request: Request, files: SecretFiles) -> None:
    """:raises Forbidden: the caller is not on this machine, or does not show the token."""
    given = (bearer_token(request.scope) or "").encode()
    token = (await asyncio.to_thread(local_token, files)).encode()
    if not from_this_machine(request.scope) or not hmac.compare_digest(given, token):
        raise Forbidden("Only a caller on this machine that shows the local token may do that.")
