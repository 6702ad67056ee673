from __future__ import annotations

import dataclasses

import pytest

from copaw.ports import ToolContext
from copaw.tools.set_user_timezone import TOOL


class Store:
    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, name: str) -> None:
        self.names.append(name)


async def test_a_valid_name_is_stored(context: ToolContext) -> None:
    store = Store()
    result = await TOOL(dataclasses.replace(context, set_user_timezone=store), {"timezone_name": " Europe/Paris "})
    assert not result.is_error
    assert store.names == ["Europe/Paris"]


@pytest.mark.parametrize("name", ["Europe/Pariss", "", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "GMT+99"])
async def test_anything_else_is_refused_and_not_stored(context: ToolContext, name: str) -> None:
    store = Store()
    result = await TOOL(dataclasses.replace(context, set_user_timezone=store), {"timezone_name": name})
    assert result.is_error
    assert "timezone_name" in result.content[0]["text"] or "IANA time zone" in result.content[0]["text"]
    assert store.names == []


async def test_a_near_miss_brings_the_right_name(context: ToolContext) -> None:
    result = await TOOL(dataclasses.replace(context, set_user_timezone=Store()), {"timezone_name": "Europe/Pari"})
    assert "Europe/Paris" in result.content[0]["text"]


async def test_where_it_cannot_be_stored_it_says_so(context: ToolContext) -> None:
    result = await TOOL(context, {"timezone_name": "Europe/Paris"})
    assert result.is_error
    assert "cannot be changed from here" in result.content[0]["text"]
