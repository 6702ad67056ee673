"""Run-time state that 1.0.2 kept inside its configuration files: read from there, never written there."""

from __future__ import annotations

from copaw.config.models.base import ConfigModel


class LastDispatchConfig(ConfigModel):
    """Where an agent last heard from its user."""

    channel: str = ""
    user_id: str = ""
    session_id: str = ""


class LastApiConfig(ConfigModel):
    """The address on which the server last listened."""

    host: str | None = None
    port: int | None = None
