"""Whatever is not the API: the console's files, and one small page when there is no console."""

import asyncio
import mimetypes
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Match

from copaw.app.routers.deps import ServicesDep

router = APIRouter(include_in_schema=False)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
READ = ["GET", "HEAD"]
LOGOS = {
    "logo.png": "mark.png",
    "dark-logo.png": "mark-dark.png",
    "copaw-symbol.svg": "mark.svg",
    "copaw-dark.png": "mark-dark.png",
}
"""Pictures that pages of 1.0.2 expect, and what they get unless the console has its own."""

_ASK_AGAIN = "no-cache"
_KEEP_AN_HOUR = "public, max-age=3600"
_KEEP = "public, max-age=31536000, immutable"
_ASSETS = "assets/"
"""Below it, a build puts files whose names change with their content."""


@router.api_route("/api", methods=METHODS)
@router.api_route("/api/{rest:path}", methods=METHODS)
async def unknown_api_path(request: Request, rest: str = "") -> Response:
    """Unknown API paths are 404 in JSON, never a page, and known ones with another method 405."""
    _refuse_other_method(request)
    raise HTTPException(404, f"There is no /api/{rest}.")


def _refuse_other_method(request: Request) -> None:
    """:raises HTTPException: an operation has this path, but another method."""
    known = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    allowed = [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in known)
    ]
    if allowed:
        methods = ", ".join(allowed)
        raise HTTPException(405, f"{request.url.path} knows only {methods}.", {"Allow": methods})


# The lowest comes first.
@router.api_route("/{rest:path}", methods=READ)
@router.api_route("/console/{rest:path}", methods=READ)
@router.api_route("/console", methods=READ)
@router.api_route("/", methods=READ)
async def page(request: Request, services: ServicesDep, rest: str = "") -> Response:
    """A file of the console, its index for the paths it routes itself, or the built-in page."""
    root = services.paths.console_static_dir
    found = await asyncio.to_thread(_static_file, root, rest) if root is not None else None
    if found is not None:
        return FileResponse(found, headers={"Cache-Control": _lifetime(rest)})
    if rest in LOGOS:
        return await _built_in(LOGOS[rest], _KEEP_AN_HOUR)
    _refuse_other_method(request)
    if _is_asset(rest):
        raise HTTPException(404, f"There is no /{rest}.")
    if root is None:
        return await _built_in("index.html", _ASK_AGAIN)
    index = await asyncio.to_thread(_static_file, root, "index.html")
    if index is None:
        raise HTTPException(404, f"There is no page: COPAW_CONSOLE_STATIC_DIR is {root}, which has no index.html.")
    return FileResponse(index, headers={"Cache-Control": _ASK_AGAIN})


async def _built_in(name: str, lifetime: str) -> Response:
    file: Traversable = resources.files("copaw") / "console" / name
    media_type = mimetypes.guess_type(name)[0]
    return Response(await asyncio.to_thread(file.read_bytes), 200, {"Cache-Control": lifetime}, media_type)


def _lifetime(path: str) -> str:
    if path.startswith(_ASSETS):
        return _KEEP
    return _ASK_AGAIN if path.endswith(".html") else _KEEP_AN_HOUR


def _is_asset(path: str) -> bool:
    """Whether a page would be taken for something else under this path, such as a script."""
    return path.startswith(_ASSETS) or mimetypes.guess_type(path)[0] not in (None, "text/html")


def _static_file(root: Path, path: str) -> Path | None:
    root = root.resolve()
    try:
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, ValueError):
        return None
