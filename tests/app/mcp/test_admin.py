"""Clients are made, changed and removed without losing a field, and no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copaw.app.mcp import admin
from copaw.app.mcp.clients import clients_of
from copaw.config.store import ConfigStore
from copaw.errors import BadInput, Conflict, NotFound
from copaw.testing.home import fresh_home

SECRET = "sk-0123456789abcdefghij"
BODY = {"name": "n", "command": "server", "env": {"KEY": SECRET, "EMPTY": "", "REF": "${HOME}"}, "future": 1}


@pytest.fixture
async def config(tmp_path: Path) -> ConfigStore:
    store = ConfigStore(fresh_home(tmp_path))
    await store.load()
    return store


def stored(config: ConfigStore, key: str = "k") -> dict[str, Any]:
    return clients_of(config.agent("default"))[key].model_dump()


async def test_a_client_is_added_beside_the_others_with_every_field(config: ConfigStore) -> None:
    before = list(clients_of(config.agent("default")))
    await admin.create(config, "default", "k", BODY)
    assert list(clients_of(config.agent("default"))) == [*before, "k"]
    assert (stored(config)["future"], stored(config)["env"]["KEY"]) == (1, SECRET)


async def test_secrets_are_masked_and_references_are_not(config: ConfigStore) -> None:
    made = await admin.create(config, "default", "k", {**BODY, "headers": {"Authorization": f"Bearer {SECRET}"}})
    shown = admin.shown("k", made, None)
    assert SECRET not in str(shown)
    assert (shown["env"]["EMPTY"], shown["env"]["REF"]) == ("", "${HOME}")
    assert (shown["key"], shown["status"], shown["future"]) == ("k", "closed", 1)


async def test_what_was_shown_can_be_sent_back_unchanged(config: ConfigStore) -> None:
    made = await admin.create(config, "default", "k", BODY)
    before, revision = stored(config), config.revision("default")
    await admin.update(config, "default", "k", admin.shown("k", made, None))
    assert (stored(config), config.revision("default")) == (before, revision)


async def test_null_leaves_a_field_and_a_mapping_is_replaced(config: ConfigStore) -> None:
    await admin.create(config, "default", "k", BODY)
    masked = admin.masked(SECRET)
    await admin.update(config, "default", "k", {"command": None, "env": {"KEY": masked, "NEW": "v"}})
    assert (stored(config)["command"], stored(config)["env"]) == ("server", {"KEY": SECRET, "NEW": "v"})
    await admin.update(config, "default", "k", {"env": {"KEY": "other"}})
    assert stored(config)["env"] == {"KEY": "other"}


async def test_a_client_is_switched_off_and_on(config: ConfigStore) -> None:
    await admin.create(config, "default", "k", BODY)
    assert not (await admin.toggle(config, "default", "k")).enabled
    assert (await admin.toggle(config, "default", "k")).enabled


async def test_one_that_is_off_may_be_incomplete_but_cannot_be_switched_on(config: ConfigStore) -> None:
    await admin.create(config, "default", "k", {"name": "n", "enabled": False})
    with pytest.raises(BadInput, match=r"clients\.k\.command"):
        await admin.toggle(config, "default", "k")
    assert not stored(config)["enabled"]


async def test_a_removed_client_is_gone_and_the_others_stay(config: ConfigStore) -> None:
    before = clients_of(config.agent("default"))
    await admin.create(config, "default", "k", BODY)
    await admin.delete(config, "default", "k")
    assert clients_of(config.agent("default")) == before


async def test_what_cannot_be_is_refused_with_the_way_out(config: ConfigStore) -> None:
    await admin.create(config, "default", "k", BODY)
    with pytest.raises(Conflict, match="'k' already"):
        await admin.create(config, "default", "k", BODY)
    with pytest.raises(NotFound, match="Known clients: tavily_search, k"):
        await admin.update(config, "default", "none", {})
    with pytest.raises(BadInput):
        await admin.create(config, "default", "a/b", BODY)
    with pytest.raises(BadInput, match="call_timeout_seconds"):
        await admin.update(config, "default", "k", {"call_timeout_seconds": -1})
    with pytest.raises(BadInput, match="args: "):
        await admin.create(config, "default", "k2", {**BODY, "args": "one string"})
