"""``/api/console``: chatting from a page, uploads, notices."""

import asyncio
import uuid

from fastapi import APIRouter, Request, UploadFile
from starlette.responses import JSONResponse, Response

from copaw.aiokits.files import write_atomic
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.routers.process import read_body, refusal, start_stream
from copaw.app.runner.received import safe_name
from copaw.app.services import Services
from copaw.app.sse import event_stream, frames_of
from copaw.errors import BadInput, EndReason
from copaw.ports import Json

router = APIRouter(prefix="/console", tags=["console"])

MAX_UPLOAD_BYTES = 10 * 1024 * 1024


class UploadTooLarge(BadInput):
    """The file is larger than 10 MB."""

    http_status = 400


@router.post("/chat")
async def chat(request: Request, agent_id: AgentId, services: ServicesDep) -> Response:
    """Start a run and follow it, or with ``reconnect`` follow the one under way from its beginning."""
    try:
        body = await read_body(request)
    except BadInput as error:
        return refusal(error)
    if isinstance(body, dict) and body.get("reconnect"):
        return await _reconnect(body, agent_id, services)
    return await start_stream(body, agent_id, services, kind="console")


async def _reconnect(body: Json, agent_id: str, services: Services) -> Response:
    session_id = body.get("session_id")
    if not isinstance(session_id, str) or not session_id:
        raise BadInput("Field 'session_id': needed to reconnect.", field="session_id")
    chats = await services.chats.of(agent_id)
    spec = chats.find(session_id, body.get("user_id") or session_id, body.get("channel") or "console")
    run = services.manager.slot(agent_id).tracker.find(spec.id) if spec is not None else None
    return event_stream(frames_of(run)) if run is not None else JSONResponse(None)


@router.post("/chat/stop")
async def stop(chat_id: str, agent_id: AgentId, services: ServicesDep) -> Json:
    """Stop the run of a chat, on whichever generation it is."""
    slot = await services.manager.get_agent(agent_id)
    return {"stopped": slot.tracker.stop(chat_id, EndReason.USER_STOP)}


@router.post("/upload", max_body_size=4 * MAX_UPLOAD_BYTES)
async def upload(file: UploadFile, agent_id: AgentId, services: ServicesDep) -> Json:
    """Keep a file for use in messages."""
    data = await file.read(MAX_UPLOAD_BYTES + 1)
    if len(data) > MAX_UPLOAD_BYTES:
        raise UploadTooLarge("The file is larger than 10 MB.", field="file")
    name = safe_name(file.filename or "file")
    path = services.generations.files(agent_id).media_dir / f"{uuid.uuid4().hex}_{name}"
    await asyncio.to_thread(write_atomic, path, data)
    return {"url": str(path), "file_name": name, "size": len(data)}


@router.get("/push-messages")
async def push_messages(_agent_id: AgentId, services: ServicesDep, session_id: str | None = None) -> Json:
    """Notices: a session's, which are consumed, or the recent ones of all."""
    return {"messages": services.push.consume(session_id) if session_id else services.push.recent()}
