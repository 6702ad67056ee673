"""``/api/workspace``: an agent's workspace as a ZIP archive, out and in."""

import re
from datetime import UTC, datetime

from fastapi import APIRouter, UploadFile
from starlette.responses import StreamingResponse

from copaw.app import workspace_transfer
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.workspace_archive import MIB
from copaw.ports import Json

router = APIRouter(prefix="/workspace", tags=["workspace"])

MAX_ARCHIVE_BYTES = 512 * MIB


@router.get("/download", response_class=StreamingResponse)
async def download(agent_id: AgentId, services: ServicesDep) -> StreamingResponse:
    """The workspace as it is, without locks."""
    pieces = await workspace_transfer.download(services, agent_id)
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    name = f"copaw_workspace_{re.sub(r'[^A-Za-z0-9._-]', '-', agent_id)}_{stamp}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.post("/upload", max_body_size=MAX_ARCHIVE_BYTES)
async def upload(file: UploadFile, agent_id: AgentId, reload: ReloadAgent, services: ServicesDep) -> Json:
    """Lay an archive over the workspace; what it replaces is kept as an archive that the answer names."""
    answer = await workspace_transfer.upload(services, agent_id, file.file)
    reload()
    return answer
