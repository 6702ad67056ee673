"""What becomes of sound in a message, by the settings ``audio_mode`` and ``transcription_*``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from copaw.config.store import ConfigStore
from copaw.errors import ModelNotConfigured, NotImplementedHere

if TYPE_CHECKING:
    from copaw.providers.registry import ModelRegistry

NO_LOCAL_WHISPER = (
    "This version does not run Whisper itself. Choose 'whisper_api', and a provider with OpenAI's interface, which may "
    "be a Whisper server of your own."
)


class Hearing:
    """Transcribes if the settings say so. See :data:`copaw.app.runner.received.Hear`."""

    def __init__(self, config: ConfigStore, models: Callable[[], ModelRegistry]) -> None:
        self._config = config
        self._models = models

    async def __call__(self, path: Path) -> str | None:
        agents = self._config.root.agents
        if agents.audio_mode == "native" or agents.transcription_provider_type == "disabled":
            return None
        if agents.transcription_provider_type == "local_whisper":
            raise NotImplementedHere(NO_LOCAL_WHISPER)
        if not agents.transcription_provider_id:
            raise ModelNotConfigured(
                "No provider is chosen for transcription. Choose one with PUT /api/agent/transcription-provider."
            )
        return await self._models().transcribe(agents.transcription_provider_id, agents.transcription_model, path)
