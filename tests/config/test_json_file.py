"""Whatever a file holds that the models do not know, a change brings it back unchanged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.files import encode_json
from copaw.config.json_file import ConfigFile, parse, read_snapshot, replace_if_unchanged
from copaw.config.merge import same_json
from copaw.config.models import AgentProfileConfig
from copaw.errors import ConfigFileError

NAME = st.sampled_from(["x", "later", "x-1", "äö"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé€\n"', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(NAME, JSON, max_size=3)


def place(content: dict[str, Any], path: tuple[str, ...], fields: dict[str, Any]) -> None:
    for name in path:
        content = content.setdefault(name, {})
    content.update(fields)


PLACES: list[tuple[str, ...]] = [
    (),
    ("running",),
    ("running", "memory_summary"),
    ("channels",),
    ("channels", "telegram"),
    ("mcp", "clients", "one"),
    ("tools", "builtin_tools", "read_file"),
    ("security", "tool_guard"),
]


@settings(max_examples=40, deadline=None)
@given(unknown=st.lists(UNKNOWN, min_size=len(PLACES), max_size=len(PLACES)), iters=st.integers(1, 50))
async def test_unknown_fields_come_through_a_change_at_every_level(
    tmp_path_factory: pytest.TempPathFactory, unknown: list[dict[str, Any]], iters: int
) -> None:
    content: dict[str, Any] = {"id": "a", "name": "A"}
    content["mcp"] = {"clients": {"one": {"name": "one"}}}
    content["tools"] = {"builtin_tools": {"read_file": {"name": "read_file"}}}
    for path, fields in zip(PLACES, unknown, strict=True):
        place(content, path, fields)
    file = ConfigFile(tmp_path_factory.mktemp("agent") / "agent.json", AgentProfileConfig)
    file.path.write_bytes(encode_json(content))
    file.adopt(await file.fetch())

    def change(profile: AgentProfileConfig) -> None:
        profile.running.max_iters = iters
        profile.description = "changed"

    written = await file.write(change)
    assert written is not None
    place(content, (), {"description": "changed"})
    place(content, ("running",), {"max_iters": iters})
    assert same_json(json.loads(file.path.read_bytes()), content)


async def test_requests_that_arrive_go_before_a_change(tmp_path: Path) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    class Arriving(Arrivals):
        async def give_way(self) -> None:
            asked.set()
            await answered.wait()

    file = ConfigFile(tmp_path / "agent.json", AgentProfileConfig, arrivals=Arriving())
    file.path.write_text('{"id": "a", "name": "A"}')
    file.adopt(await file.fetch())
    writing = asyncio.create_task(file.write(lambda profile: setattr(profile, "name", "B")))
    await asked.wait()
    assert json.loads(file.path.read_bytes())["name"] == "A"
    answered.set()
    assert await writing is not None
    assert json.loads(file.path.read_bytes())["name"] == "B"


async def test_what_a_change_leaves_in_another_form_is_written_as_it_will_be_read(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "agent.json", AgentProfileConfig)
    file.path.write_text('{"id": "a", "name": "A", "running": {"max_iters": 3}}')
    file.adopt(await file.fetch())

    def change(profile: AgentProfileConfig) -> None:
        profile.running.max_iters = "7"  # type: ignore[assignment]
        profile.description = "kept"

    written = await file.write(change)
    assert written is not None
    assert (written.model.running.max_iters, written.model.description) == (7, "kept")
    assert json.loads(file.path.read_bytes())["running"] == {"max_iters": 7}
    assert file.adopt(written)
    assert file.means_the_same(read_snapshot(file.path, AgentProfileConfig))


async def test_the_same_bytes_are_not_parsed_again(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "agent.json", AgentProfileConfig)
    file.path.write_text('{"id": "a", "name": "A"}')
    assert file.adopt(await file.fetch()) is True
    assert await file.fetch() is file.snapshot
    assert file.adopt(await file.fetch()) is False


async def test_a_file_that_was_never_readable_cannot_be_changed(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "agent.json", AgentProfileConfig)
    with pytest.raises(ConfigFileError, match="not been read"):
        await file.write(lambda profile: None)


def test_only_the_file_that_was_read_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("one")
    assert replace_if_unchanged(path, "another hash", {"two": 2}) is None
    assert path.read_text() == "one"


def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="cannot be read"):
        replace_if_unchanged(tmp_path, "", {})


def test_what_is_no_path_is_a_file_that_cannot_be_read() -> None:
    with pytest.raises(ConfigFileError, match="null byte"):
        read_snapshot(Path("a\0b.json"), AgentProfileConfig)


def test_several_faults_are_counted() -> None:
    with pytest.raises(ConfigFileError, match="1 more is wrong"):
        parse(Path("a.json"), b"{}", AgentProfileConfig)
