"""Which token the command line shows to a server."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from copaw.cli.address import last_api
from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput
from copaw.paths import Paths
from copaw.security.local_token import known_local_token

VARIABLE = "COPAW_API_TOKEN"


def token_for(base_url: str, paths: Paths, environ: Mapping[str, str] = os.environ) -> str | None:
    """``COPAW_API_TOKEN``, else the local token for a server on this machine, else none.

    The local token never goes to another machine, whose owner could use it.

    :raises BadInput: the variable holds what cannot be a token.
    """
    given = environ.get(VARIABLE, "").strip()
    if given:
        if not (given.isascii() and given.isprintable()):
            raise BadInput(f"{VARIABLE} does not hold a token; `copaw auth token` makes one.", field=VARIABLE)
        return given
    return known_local_token(SecretFiles(paths.secret_dir)) if _is_here(base_url, paths) else None


def _is_here(base_url: str, paths: Paths) -> bool:
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return False  # whoever connects says what is wrong with it
    if host == "localhost":
        return True
    try:
        if ipaddress.ip_address(host).is_loopback:
            return True
    except ValueError:
        pass
    listened = last_api(paths)
    return listened is not None and host == listened[0]
