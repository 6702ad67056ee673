"""What becomes of sound in messages: settings of the whole server. A change counts at once."""

from __future__ import annotations

import asyncio
import shutil
from importlib.util import find_spec
from typing import Literal

from copaw.app.runner.hearing import NO_LOCAL_WHISPER
from copaw.app.services import Services
from copaw.config.models import RootConfig
from copaw.errors import BadInput, NotFound, NotImplementedHere
from copaw.ports import Json
from copaw.providers.models import OPENAI_CHAT_MODEL, ProviderInfo

AudioMode = Literal["auto", "native"]
TranscriptionType = Literal["disabled", "whisper_api", "local_whisper"]


async def set_audio_mode(services: Services, mode: AudioMode) -> None:
    """``auto``: sound is transcribed if that is set up, else named as a file. ``native``: the model is given it."""

    def change(root: RootConfig) -> None:
        root.agents.audio_mode = mode

    await services.config.patch_root(change)


async def set_transcription_type(services: Services, kind: TranscriptionType) -> None:
    """Choose how sound is transcribed. :raises NotImplementedHere: not in this version."""
    if kind == "local_whisper":
        raise NotImplementedHere(f"transcription_provider_type: {NO_LOCAL_WHISPER}")

    def change(root: RootConfig) -> None:
        root.agents.transcription_provider_type = kind

    await services.config.patch_root(change)


async def set_transcription_provider(services: Services, provider_id: str) -> None:
    """Choose the provider that transcribes; an empty id chooses none.

    :raises BadInput: there is no such provider, or it cannot transcribe.
    """
    if provider_id:
        try:
            info = services.providers.get(provider_id)
        except NotFound as error:
            raise BadInput(f"provider_id: {error.message}", field="provider_id") from error
        if not _can_transcribe(info):
            raise BadInput(
                f"provider_id: '{provider_id}' does not speak OpenAI's protocol, or its address or key is missing.",
                field="provider_id",
            )

    def change(root: RootConfig) -> None:
        root.agents.transcription_provider_id = provider_id

    await services.config.patch_root(change)


def transcription_providers(services: Services) -> Json:
    """The providers that could transcribe, and the one that is chosen."""
    usable = [info for info in services.providers.list() if _can_transcribe(info)]
    return {
        "providers": [{"id": info.id, "name": info.name, "available": True} for info in usable],
        "configured_provider_id": services.config.root.agents.transcription_provider_id,
    }


def _can_transcribe(info: ProviderInfo) -> bool:
    has_key = bool(info.api_key) or not info.require_api_key
    return info.chat_model == OPENAI_CHAT_MODEL and bool(info.base_url) and has_key


async def local_whisper_status() -> Json:
    """What of a local Whisper is installed; this version does not use it."""
    ffmpeg = await asyncio.to_thread(shutil.which, "ffmpeg")
    whisper = await asyncio.to_thread(find_spec, "whisper")
    return {
        "available": False,
        "ffmpeg_installed": ffmpeg is not None,
        "whisper_installed": whisper is not None,
        "message": NO_LOCAL_WHISPER,
    }
