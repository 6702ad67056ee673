"""Changes made for one revision: ``ETag`` on what is read, ``If-Match`` on what is written."""

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from copaw.errors import BadInput

_REVISION = re.compile(r'(?:W/)?"?(\d{1,18})"?')


async def expected_revision(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """The revision that ``If-Match`` asks for; ``None`` takes any. :raises BadInput: it is no revision."""
    given = (if_match or "*").strip()
    if given == "*":
        return None
    match = _REVISION.fullmatch(given)
    if match is None:
        raise BadInput(f"If-Match: {given!r} is no revision. Send an ETag, or leave it out.", field="If-Match")
    return int(match[1])


ExpectedRevision = Annotated[int | None, Depends(expected_revision)]


def tell_revision(response: Response, revision: int) -> None:
    """Say which revision of the configuration an answer shows."""
    response.headers["ETag"] = f'"{revision}"'
