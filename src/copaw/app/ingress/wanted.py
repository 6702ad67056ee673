"""Which channels a snapshot wants connected, each with the digest of its own configuration."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.registry import ChannelRegistry
from copaw.config.merge import canonical
from copaw.config.models import BaseChannelConfig, ChannelConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import CopawError
from copaw.paths import WorkspacePaths
from copaw.ports import Json


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel that is to be connected.

    :param digest: of its section and its code; whatever else of the agent changes, the channel is left alone.
    :param exclusive: what it alone may hold.
    """

    key: str
    digest: str
    cls: type[BaseChannel]
    config: BaseChannelConfig
    exclusive: frozenset[str]
    files: WorkspacePaths


@dataclass(frozen=True, slots=True)
class Unusable:
    """A channel that is switched on and cannot be connected, and why."""

    key: str
    digest: str
    why: str


Wanted = ChannelSpec | Unusable
Section = BaseChannelConfig | dict[str, Any]
"""That of a channel of this version, or of one that a file brings."""


def sections(snapshot: AgentSnapshot) -> dict[str, Section]:
    """Every channel section of an agent; the defaults if it configures none."""
    channels = snapshot.profile.channels if snapshot.profile.channels is not None else ChannelConfig()
    return {key: section for key, section in channels if isinstance(section, BaseChannelConfig | dict)}


def wanted_channels(snapshot: AgentSnapshot | None, registry: ChannelRegistry) -> dict[str, Wanted]:
    """The channels that are enabled; none without a snapshot."""
    if snapshot is None:
        return {}
    return {
        key: _wanted(key, _plain(section), snapshot.files, registry)
        for key, section in sections(snapshot).items()
        if _enabled(section) and registry.allows(key)
    }


def _enabled(section: Section) -> bool:
    return bool(section.get("enabled") if isinstance(section, dict) else section.enabled)


def _plain(section: Section) -> Json:
    # A copy: the code of a channel may be foreign, and the configuration in force is never changed.
    return deepcopy(section) if isinstance(section, dict) else section.model_dump()


def _wanted(key: str, section: Json, files: WorkspacePaths, registry: ChannelRegistry) -> Wanted:
    try:
        kind = registry.get(key)
        config = kind.cls.config_model.model_validate(section)
        exclusive = frozenset(kind.cls.exclusive_resources(config))
    except ValidationError as error:
        return Unusable(key, _digest(section), _sentence(key, error))
    except CopawError as error:
        return Unusable(key, _digest(section), error.message)
    except Exception as error:  # noqa: BLE001 - supervisor of foreign code: one channel's fault stays its own
        return Unusable(key, _digest(section), f"{type(error).__name__}: {error}")
    return ChannelSpec(key, _digest([section, kind.version, str(files.root)]), kind.cls, config, exclusive, files)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def _sentence(key: str, error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in ("channels", key, *first["loc"]))
    return f"{field}: {first['msg']}"
