"""The channel that the documentation shows works, and its page knows every state and every common setting."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from copaw.app.channels.custom import CustomChannels
from copaw.app.ingress.connection import ChannelState
from copaw.config.models import BaseChannelConfig
from copaw.testing.channel_world import ChannelWorld
from copaw.testing.channels import LineClient, free_port

PAGE = Path(__file__).parents[3] / "docs" / "channels.md"


async def test_the_example_talks_with_an_agent(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "lines.py").write_text(code)
    custom = CustomChannels(tmp_path)
    await asyncio.to_thread(custom.scan)
    (channel,) = custom.files[tmp_path / "lines.py"].channels
    world = ChannelWorld(tmp_path, channel)
    port = free_port()
    world.configure(lines={"port": port})
    await world.start()
    client = await LineClient.to(port)
    client.write(b"hello\n")
    assert await client.read() == b"echo hello\n"
    await client.aclose()
    await world.aclose()


@pytest.mark.parametrize("name", [*BaseChannelConfig.model_fields, *ChannelState])
def test_the_page_names_it(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
