"""What becomes of sound in messages. The settings are the same for every agent."""

from fastapi import APIRouter
from pydantic import BaseModel

from copaw.app import audio_settings
from copaw.app.audio_settings import AudioMode, TranscriptionType
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep
from copaw.ports import Json

router = APIRouter(prefix="/agent", tags=["agent"], dependencies=[StorableJson])


class AudioModeSetting(BaseModel):
    audio_mode: AudioMode


class TranscriptionTypeSetting(BaseModel):
    transcription_provider_type: TranscriptionType


class TranscriptionProviderSetting(BaseModel):
    provider_id: str


@router.get("/audio-mode")
async def get_audio_mode(_agent_id: AgentId, services: ServicesDep) -> AudioModeSetting:
    return AudioModeSetting(audio_mode=services.config.root.agents.audio_mode)


@router.put("/audio-mode")
async def set_audio_mode(_agent_id: AgentId, body: AudioModeSetting, services: ServicesDep) -> AudioModeSetting:
    await audio_settings.set_audio_mode(services, body.audio_mode)
    return body


@router.get("/transcription-provider-type")
async def get_transcription_type(_agent_id: AgentId, services: ServicesDep) -> TranscriptionTypeSetting:
    return TranscriptionTypeSetting(transcription_provider_type=services.config.root.agents.transcription_provider_type)


@router.put("/transcription-provider-type")
async def set_transcription_type(
    _agent_id: AgentId, body: TranscriptionTypeSetting, services: ServicesDep
) -> TranscriptionTypeSetting:
    await audio_settings.set_transcription_type(services, body.transcription_provider_type)
    return body


@router.get("/transcription-providers")
async def list_transcription_providers(_agent_id: AgentId, services: ServicesDep) -> Json:
    return audio_settings.transcription_providers(services)


@router.put("/transcription-provider")
async def set_transcription_provider(
    _agent_id: AgentId, body: TranscriptionProviderSetting, services: ServicesDep
) -> TranscriptionProviderSetting:
    await audio_settings.set_transcription_provider(services, body.provider_id)
    return body


@router.get("/local-whisper-status")
async def get_local_whisper_status(_agent_id: AgentId) -> Json:
    return await audio_settings.local_whisper_status()
