"""Whatever is not the API: the console's files, and one small page when there is no console."""

import asyncio
from importlib import resources
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Match

from copaw.app.routers.deps import ServicesDep

router = APIRouter(include_in_schema=False)


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


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


@router.get("/")
@router.get("/console")
@router.get("/console/{rest:path}")
@router.get("/{rest:path}")
async def page(services: ServicesDep, rest: str = "") -> Response:
    """A file of the console, its index for the paths it routes itself, or the built-in page."""
    root = services.paths.console_static_dir
    if root is None:
        return HTMLResponse(await asyncio.to_thread(_built_in_page))
    found = await asyncio.to_thread(_static_file, root, rest)
    if found is None:
        raise HTTPException(404, "There is no such page.")
    return FileResponse(found)


def _built_in_page() -> str:
    return (resources.files("copaw") / "console" / "index.html").read_text(encoding="utf-8")


def _static_file(root: Path, rest: str) -> Path | None:
    root = root.resolve()
    for candidate in (root / rest, root / "index.html"):
        resolved = candidate.resolve()
        if resolved.is_file() and resolved.is_relative_to(root):
            return resolved
    return None
