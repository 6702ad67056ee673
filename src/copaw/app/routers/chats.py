"""The chats of one agent."""

from fastapi import APIRouter

from copaw.app import chat_admin
from copaw.app.chat_admin import ChatHistory, ChatUpdate
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.app.runner.chats import ChatSpec
from copaw.errors import NotFound
from copaw.ports import Json

router = APIRouter(tags=["chats"], dependencies=[StorableJson])


@router.get("/chats")
async def list_chats(
    agent_id: AgentId, services: ServicesDep, user_id: str | None = None, channel: str | None = None
) -> list[ChatSpec]:
    return await chat_admin.chats(services, agent_id, user_id, channel)


@router.post("/chats")
async def create_chat(agent_id: AgentId, body: ChatSpec, services: ServicesDep) -> ChatSpec:
    return await chat_admin.create(services, agent_id, body)


@router.post("/chats/batch-delete")
async def delete_chats(agent_id: AgentId, body: list[str], services: ServicesDep) -> Json:
    count = await chat_admin.delete(services, agent_id, body)
    return {"deleted": count > 0, "count": count}


@router.get("/chats/{chat_id}")
async def get_chat(agent_id: AgentId, chat_id: str, services: ServicesDep) -> ChatHistory:
    return await chat_admin.history(services, agent_id, chat_id)


@router.put("/chats/{chat_id}")
async def update_chat(agent_id: AgentId, chat_id: str, body: ChatUpdate, services: ServicesDep) -> ChatSpec:
    return await chat_admin.update(services, agent_id, chat_id, body)


@router.delete("/chats/{chat_id}")
async def delete_chat(agent_id: AgentId, chat_id: str, services: ServicesDep) -> Json:
    if not await chat_admin.delete(services, agent_id, [chat_id]):
        raise NotFound(f"Chat not found: {chat_id}")
    return {"deleted": True}
