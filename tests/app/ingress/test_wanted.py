"""What a channel is made with belongs to it alone."""

from __future__ import annotations

from pathlib import Path

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.registry import ChannelRegistry
from copaw.app.ingress.wanted import ChannelSpec, wanted_channels
from copaw.config.models import AgentProfileConfig, BaseChannelConfig, ModelSlotConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.paths import WorkspacePaths


class Pigeon(BaseChannel):
    channel = "pigeon"
    config_model = BaseChannelConfig


def test_a_channel_that_edits_its_section_does_not_edit_the_configuration(tmp_path: Path) -> None:
    section = {"enabled": True, "lofts": {"home": ["one"]}}
    profile = AgentProfileConfig.model_validate({"id": "a", "name": "A", "channels": {"pigeon": section}})
    snapshot = AgentSnapshot("a", 1, WorkspacePaths(tmp_path), profile, ModelSlotConfig(), "")
    registry = ChannelRegistry()
    registry.add(Pigeon)
    before = profile.model_dump()
    spec = wanted_channels(snapshot, registry)["pigeon"]
    assert isinstance(spec, ChannelSpec)
    assert spec.config.model_extra is not None
    spec.config.model_extra["lofts"]["home"].append("two")
    assert profile.model_dump() == before
