"""Fetching one small file over HTTP."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from copaw.errors import BadInput, CopawError

TIMEOUT_S = 30.0


class NotFetched(CopawError):
    """The file could not be fetched."""

    code = "NOT_FETCHED"


def fetch(url: str, max_bytes: int) -> bytes:
    """The content of an http or https address.

    :raises BadInput: it is another kind of address, or the content is larger.
    :raises NotFetched: it cannot be had.
    """
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"--url must begin with http:// or https://, not {url!r}.", field="url")
    try:
        with http_opener().open(url, timeout=TIMEOUT_S) as response:
            content: bytes = response.read(max_bytes + 1)
    except urllib.error.HTTPError as error:
        raise NotFetched(f"{url} answered {error.code} {error.reason}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"{url} cannot be fetched: {error}.") from error
    if len(content) > max_bytes:
        raise BadInput(f"{url} has more than {max_bytes // 1024} KiB.", field="url")
    return content


def http_opener() -> urllib.request.OpenerDirector:
    """HTTP alone: neither files nor FTP, whatever a redirection says."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
