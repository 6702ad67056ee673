"""The channel sections of an agent, as clients see and change them."""

from __future__ import annotations

from copaw.app.patching import patched
from copaw.config.models import AgentProfileConfig, ChannelConfig
from copaw.config.store import ConfigStore
from copaw.errors import BadInput, Conflict, NotFound
from copaw.ports import Json

_SHOWN_ONLY = "isBuiltin"

BUILTIN_CHANNELS = tuple(ChannelConfig.model_fields)


def channels_of(profile: AgentProfileConfig) -> ChannelConfig:
    """An agent's channels; with their defaults if it configures none."""
    return profile.channels if profile.channels is not None else ChannelConfig()


def listed(channels: ChannelConfig) -> dict[str, Json]:
    """Every channel by name, each told apart as built-in or custom."""
    return {name: {**section, _SHOWN_ONLY: name in BUILTIN_CHANNELS} for name, section in _sections(channels).items()}


def channel(channels: ChannelConfig, name: str) -> Json:
    """One channel. :raises NotFound: there is none; the message lists those there are."""
    sections = _sections(channels)
    if name not in sections:
        raise NotFound(f"There is no channel '{name}'. Known channels: {', '.join(sections)}.")
    return sections[name]


async def update_channels(
    config: ConfigStore, agent_id: str, patch: Json, *, expected_revision: int | None = None
) -> ChannelConfig:
    """Change the fields of the channels that ``patch`` names. A name that is not known adds a custom channel.

    :raises BadInput: the result is not valid.
    """
    wanted = {name: _cleaned(name, section) for name, section in patch.items()}

    def change(profile: AgentProfileConfig) -> None:
        profile.channels = patched(channels_of(profile), wanted)

    await config.patch_agent(agent_id, change, expected_revision=expected_revision)
    return channels_of(config.agent(agent_id))


async def update_channel(
    config: ConfigStore, agent_id: str, name: str, patch: Json, *, expected_revision: int | None = None
) -> Json:
    """Change fields of one channel. :raises NotFound: there is none. :raises BadInput: the result is not valid."""
    channel(channels_of(config.agent(agent_id)), name)
    channels = await update_channels(config, agent_id, {name: patch}, expected_revision=expected_revision)
    return channel(channels, name)


async def remove_channel(config: ConfigStore, agent_id: str, name: str) -> None:
    """Forget the section of a custom channel.

    :raises NotFound: there is none. :raises Conflict: it is a built-in one, which can only be switched off.
    """
    channel(channels_of(config.agent(agent_id)), name)
    if name in BUILTIN_CHANNELS:
        raise Conflict(f"Channel '{name}' is built in and stays; switch it off with enabled = false.")

    def change(profile: AgentProfileConfig) -> None:
        sections = channels_of(profile).model_dump()
        sections.pop(name, None)
        profile.channels = ChannelConfig.model_validate(sections)

    await config.patch_agent(agent_id, change)


def _sections(channels: ChannelConfig) -> dict[str, Json]:
    # Whatever else a hand-written file holds beside the channels is kept in it, but is no channel.
    return {name: section for name, section in channels.model_dump().items() if isinstance(section, dict)}


def _cleaned(name: str, section: object) -> Json:
    if not isinstance(section, dict):
        raise BadInput(f"{name}: the settings of a channel must be an object.", field=name)
    return {key: value for key, value in section.items() if key != _SHOWN_ONLY}
