"""Sending through an agent's channels, and how these are."""

from fastapi import APIRouter
from pydantic import BaseModel

from copaw.app.ingress.manager import ChannelStatus
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.ports import Json

router = APIRouter(tags=["messages"], dependencies=[StorableJson])


class SendMessageRequest(BaseModel):
    """A text for somebody, without a run."""

    channel: str
    target_user: str
    target_session: str
    text: str


class SendMessageResponse(BaseModel):
    """It was sent; failures are errors."""

    success: bool
    message: str


@router.post("/messages/send")
async def send_message(body: SendMessageRequest, agent_id: AgentId, services: ServicesDep) -> SendMessageResponse:
    """Send through a channel that is connected now. 404: no such channel; 409: switched off; 503: not connected."""
    ingress = services.ingresses.of(agent_id)
    await ingress.send(body.channel, body.target_user, body.target_session, body.text)
    return SendMessageResponse(success=True, message=f"Sent through channel '{body.channel}'.")


@router.get("/channels/status")
async def channels_status(agent_id: AgentId, services: ServicesDep) -> Json:
    """Every channel that is or was switched on, and the custom channel files that could not be used."""
    ingress = services.ingresses.of(agent_id)
    return {"channels": [_shown(status) for status in ingress.status()], "problems": services.channels.problems}


def _shown(status: ChannelStatus) -> Json:
    line = status.line
    return {
        "channel": line.channel,
        "state": line.state,
        "since": line.since or None,
        "connects": line.connects,
        "config_digest": line.digest,
        "error": line.error,
        "queued": status.queued,
        "unsent": status.unsent,
    }
