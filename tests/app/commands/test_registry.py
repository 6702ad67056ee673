"""Which message is a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.app.commands.registry import Command, CommandCall, CommandRegistry
from copaw.errors import LifecycleBug


async def nothing(_call: CommandCall) -> str:
    return ""


@pytest.fixture(scope="module")
def registry() -> CommandRegistry:
    made = CommandRegistry()
    made.add(
        Command("stop", "", nothing),
        Command("status", "", nothing, in_group=True),
        Command("logs", "", nothing, "[n]", in_group=True),
        Command("daemon", "", nothing, "..."),
    )
    return made


def matched(registry: CommandRegistry, *texts: str) -> tuple[str, str] | None:
    match = registry.match([{"type": "text", "text": text} for text in texts])
    return (match.command.name, match.argument) if match is not None else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/stop", ("stop", "")),
        ("  /STOP \n", ("stop", "")),
        ("/logs", ("logs", "")),
        ("/logs  20 ", ("logs", "20")),
        ("/logs\n20", ("logs", "20")),
        ("/daemon status", ("status", "")),
        ("/Daemon  LOGS 5", ("logs", "5")),
        ("/daemon", ("daemon", "")),
        ("/daemon stop", ("daemon", "stop")),
        ("/daemon status of it", None),
        ("/stop the music", None),
        ("/unknown", None),
        ("/", None),
        ("", None),
        ("stop", None),
        ("say /stop", None),
        ("/ stop", None),
        ("/stop/", None),
        ("[Agent bob requesting] /stop", None),
    ],
)
def test_a_name_and_what_follows_it(registry: CommandRegistry, text: str, expected: tuple[str, str] | None) -> None:
    assert matched(registry, text) == expected


def test_a_message_with_more_than_text_is_for_the_agent(registry: CommandRegistry) -> None:
    assert registry.match([{"type": "text", "text": "/stop"}, {"type": "image", "image_url": "x"}]) is None
    assert registry.match([{"type": "refusal", "refusal": "/stop"}]) is None
    assert registry.match([]) is None


@given(st.text())
def test_any_text_is_looked_at(registry: CommandRegistry, text: str) -> None:
    assert text.strip().startswith("/") or matched(registry, text) is None


def test_a_name_is_given_once(registry: CommandRegistry) -> None:
    with pytest.raises(LifecycleBug, match="/stop"):
        registry.add(Command("stop", "", nothing))
