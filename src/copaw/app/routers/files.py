"""``/api/files``: looking at files of the workspaces."""

import asyncio

from fastapi import APIRouter
from starlette.responses import FileResponse

from copaw.app.file_preview import find_preview
from copaw.app.routers.deps import ServicesDep

router = APIRouter(prefix="/files", tags=["files"])


@router.head("/preview/{filepath:path}", response_class=FileResponse)
@router.get("/preview/{filepath:path}", response_class=FileResponse)
async def preview_file(filepath: str, services: ServicesDep) -> FileResponse:
    """The file, or the part of it that ``Range`` asks for."""
    config = services.config
    workspaces = [config.workspace_dir(agent_id) for agent_id in config.agent_ids()]
    found = await asyncio.to_thread(find_preview, services.paths, workspaces, filepath)
    return FileResponse(
        found.path,
        media_type=found.media_type,
        headers=found.headers,
        filename=found.name,
        content_disposition_type="inline",
    )
