"""The channels of one agent. Every change reloads it."""

from typing import Any

from fastapi import APIRouter, Response

from copaw.app import channel_settings
from copaw.app.routers.bodies import StorableJson, part_of
from copaw.app.routers.deps import AgentId, ReloadAgent, ServicesDep
from copaw.app.routers.revisions import ExpectedRevision, tell_revision
from copaw.config.models import ChannelConfig
from copaw.errors import NotImplementedHere
from copaw.ports import Json

router = APIRouter(tags=["config"], dependencies=[StorableJson])

_NO_QRCODE = "Signing in to a channel with a QR code is not available in this version; enter its credentials instead."


@router.get("/config/channels")
async def list_channels(agent_id: AgentId, response: Response, services: ServicesDep) -> dict[str, Json]:
    channels = channel_settings.channels_of(services.config.agent(agent_id))
    tell_revision(response, services.config.revision(agent_id))
    return channel_settings.listed(channels)


@router.put("/config/channels", openapi_extra=part_of(ChannelConfig))
async def update_channels(
    agent_id: AgentId,
    body: dict[str, Any],
    reload: ReloadAgent,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> ChannelConfig:
    channels = await channel_settings.update_channels(services.config, agent_id, body, expected_revision=revision)
    reload()
    return channels


@router.get("/config/channels/types")
async def list_channel_types(agent_id: AgentId) -> list[str]:
    return list(channel_settings.BUILTIN_CHANNELS)


@router.get("/config/channels/{channel_name}")
async def get_channel(agent_id: AgentId, channel_name: str, response: Response, services: ServicesDep) -> Json:
    channels = channel_settings.channels_of(services.config.agent(agent_id))
    tell_revision(response, services.config.revision(agent_id))
    return channel_settings.channel(channels, channel_name)


@router.put("/config/channels/{channel_name}")
async def update_channel(
    agent_id: AgentId,
    channel_name: str,
    body: dict[str, Any],
    reload: ReloadAgent,
    services: ServicesDep,
    revision: ExpectedRevision,
) -> Json:
    config = services.config
    channel = await channel_settings.update_channel(config, agent_id, channel_name, body, expected_revision=revision)
    reload()
    return channel


@router.delete("/config/channels/{channel_name}")
async def remove_channel(agent_id: AgentId, channel_name: str, reload: ReloadAgent, services: ServicesDep) -> Json:
    """Forget the section of a custom channel, which disconnects it."""
    await channel_settings.remove_channel(services.config, agent_id, channel_name)
    reload()
    return {"deleted": True}


@router.get("/config/channels/{channel}/qrcode")
async def get_qrcode(agent_id: AgentId, channel: str, services: ServicesDep) -> Json:
    channel_settings.channel(channel_settings.channels_of(services.config.agent(agent_id)), channel)
    raise NotImplementedHere(_NO_QRCODE)


@router.get("/config/channels/{channel}/qrcode/status")
async def get_qrcode_status(agent_id: AgentId, channel: str, token: str, services: ServicesDep) -> Json:
    channel_settings.channel(channel_settings.channels_of(services.config.agent(agent_id)), channel)
    raise NotImplementedHere(_NO_QRCODE)
