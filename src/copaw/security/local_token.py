"""The token in the secrets directory: whoever can read it is this user on this machine. All functions block."""

from __future__ import annotations

import secrets

from copaw.config.secrets import SecretFiles
from copaw.errors import ConfigFileError

LOCAL_TOKEN_NAME = "local_token"


def local_token(files: SecretFiles) -> str:
    """The token; made on first use. Only the server calls this, so that nobody makes a second one meanwhile.

    :raises ConfigFileError: the file cannot be read.
    """
    token = _stored(files)
    if not token:
        token = secrets.token_urlsafe(32)
        files.write(LOCAL_TOKEN_NAME, {"token": token})
    return token


def known_local_token(files: SecretFiles) -> str | None:
    """The token, ``None`` if there is none or it cannot be read: another user's, for example."""
    try:
        return _stored(files)
    except ConfigFileError:
        # Not the caller's mistake, and often not needed. Where it is, the server's answer says what to do.
        return None


def _stored(files: SecretFiles) -> str | None:
    token = files.read(LOCAL_TOKEN_NAME).get("token")
    return token if isinstance(token, str) and token else None
