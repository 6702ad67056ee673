"""Agents that come, go, move and change their order, and the state they leave while running."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from copaw.config.changes import ConfigChange
from copaw.config.models import AgentProfileRef, RootConfig, new_profile
from copaw.config.store import ConfigStore
from copaw.errors import AgentNotFound, BadInput, Conflict
from copaw.paths import Paths
from copaw.testing.config_home import agent_file, edit, heard, loaded, read, set_iters


async def add(store: ConfigStore, agent_id: str) -> None:
    directory = str(store.paths.default_workspace(agent_id))
    await store.add_agent(
        AgentProfileRef(id=agent_id, workspace_dir=directory), new_profile(agent_id, agent_id, workspace_dir=directory)
    )


async def test_rereading_takes_over_what_means_something_else(store: ConfigStore, paths: Paths) -> None:
    changes = heard(store)
    agent_file(paths).write_text(json.dumps(read(agent_file(paths)), indent=7))
    assert await store.reread_agent("default") is False
    edit(agent_file(paths), name="New")
    assert await store.reread_agent("default") is True
    assert store.agent("default").name == "New"
    assert changes == [ConfigChange("agent", "default", 2)]


async def test_agents_that_come_go_and_move_in_config_json_are_followed(store: ConfigStore, paths: Paths) -> None:
    await add(store, "b")
    changes = heard(store)
    moved = paths.working_dir / "elsewhere"
    shutil.copytree(paths.default_workspace("b"), moved)
    edit(moved / "agent.json", name="moved")
    content = read(paths.config_file)
    content["agents"]["profiles"]["b"]["workspace_dir"] = "elsewhere"
    content["agents"]["profiles"]["b"]["enabled"] = False
    content["agents"]["profiles"]["c"] = {"id": "c", "workspace_dir": "~/nowhere/c"}
    del content["agents"]["profiles"]["default"]
    paths.config_file.write_text(json.dumps(content))

    assert await store.reread_root() is True
    assert store.agent_ids() == ["b", "c"]
    assert store.agent("b").name == "moved"
    assert store.workspace_dir("c") == Path.home() / "nowhere" / "c"
    assert store.problem("c") is not None
    assert [(change.kind, change.agent_id) for change in changes] == [
        ("root", ""),
        ("removed", "default"),
        ("agent", "b"),
        ("enabled", "b"),
        ("added", "c"),
    ]
    with pytest.raises(AgentNotFound):
        store.agent("default")


async def test_an_unknown_agent_is_not_found_anywhere(store: ConfigStore) -> None:
    for ask in (store.agent, store.ref, store.workspace_dir, store.revision, store.problem, store.digest):
        with pytest.raises(AgentNotFound):
            ask("nobody")
    for change in (
        store.reread_agent("nobody"),
        store.patch_agent("nobody", set_iters(1)),
        store.remove_agent("nobody"),
        store.set_enabled("nobody", True),
    ):
        with pytest.raises(AgentNotFound):
            await change


async def test_an_agent_is_added_and_removed(store: ConfigStore, paths: Paths) -> None:
    changes = heard(store)
    await add(store, "b")
    assert store.agent_ids() == ["default", "b"]
    assert store.agent("b").name == "b"
    assert [change.kind for change in changes] == ["root", "added"]
    assert (await loaded(paths)).agent("b") == store.agent("b")

    await store.patch_root(lambda root: setattr(root.agents, "active_agent", "b"))
    await store.remove_agent("b")
    assert store.agent_ids() == ["default"]
    assert store.root.agents.active_agent == "default"
    assert agent_file(paths, "b").exists()
    assert changes[-1].kind == "removed"


async def test_an_id_that_comes_back_does_not_count_backwards(store: ConfigStore, paths: Paths) -> None:
    await add(store, "b")
    await store.patch_agent("b", set_iters(7))
    await store.remove_agent("b")
    await add(store, "b")
    assert store.revision("b") == 3
    assert store.agent("b").running.max_iters == 100
    kept = list(agent_file(paths, "b").parent.glob("agent.json.replaced-*"))
    assert [read(path)["running"]["max_iters"] for path in kept] == [7]


async def test_an_id_or_a_directory_in_use_is_refused(store: ConfigStore, paths: Paths) -> None:
    before = agent_file(paths).read_bytes()
    with pytest.raises(Conflict, match="'default'"):
        await add(store, "default")
    same_directory = AgentProfileRef(id="b", workspace_dir=str(paths.default_workspace("default")))
    with pytest.raises(Conflict, match="'default'"):
        await store.add_agent(same_directory, new_profile("b", "B"))
    assert store.agent_ids() == ["default"]
    assert agent_file(paths).read_bytes() == before


async def test_enabling_is_told_once(store: ConfigStore, paths: Paths) -> None:
    changes = heard(store)
    await store.set_enabled("default", False)
    await store.set_enabled("default", False)
    assert not store.ref("default").enabled
    assert changes == [ConfigChange("root", "", 2), ConfigChange("enabled", "default", 1)]


async def test_the_order_must_name_every_agent_once(store: ConfigStore) -> None:
    await add(store, "b")
    await store.reorder(["b", "default"])
    assert store.agent_ids() == ["b", "default"]
    for wrong in (["b"], ["b", "b"], ["b", "default", "c"], ["b", "default", "b"]):
        with pytest.raises(BadInput) as caught:
            await store.reorder(wrong)
        assert caught.value.field == "agent_ids"


async def test_changes_of_config_json_at_the_same_time_are_all_kept(store: ConfigStore, paths: Paths) -> None:
    def details(root: RootConfig) -> None:
        root.show_tool_details = False

    await asyncio.gather(
        *(add(store, f"a{number}") for number in range(5)),
        store.patch_root(details),
        store.set_enabled("default", False),
    )
    again = await loaded(paths)
    assert set(again.agent_ids()) == {"default", *(f"a{number}" for number in range(5))}
    assert again.root.show_tool_details is False
    assert not again.ref("default").enabled


async def test_a_patch_that_waits_for_a_removed_agent_finds_nothing(store: ConfigStore, paths: Paths) -> None:
    await add(store, "b")
    results = await asyncio.gather(
        store.remove_agent("b"), *(store.patch_agent("b", set_iters(n + 1)) for n in range(20)), return_exceptions=True
    )
    assert results[0] is None
    assert any(isinstance(result, AgentNotFound) for result in results)
    assert all(isinstance(result, int | AgentNotFound) for result in results[1:])
    assert store.agent_ids() == ["default"]


async def test_run_time_state_touches_no_configuration(store: ConfigStore, paths: Paths) -> None:
    files = (paths.config_file, agent_file(paths))
    before, changes = [path.read_bytes() for path in files], heard(store)
    digest = store.digest("default")
    assert store.last_dispatch("default") is None
    await store.record_last_dispatch("default", channel="console", user_id="u", session_id="s")
    await store.record_last_api("127.0.0.1", 8088)
    dispatch = store.last_dispatch("default")
    assert dispatch is not None
    assert (dispatch.channel, dispatch.user_id, dispatch.session_id) == ("console", "u", "s")
    assert store.digest("default") == digest
    assert [path.read_bytes() for path in files] == before
    assert changes == []

    again = await loaded(paths)
    assert again.last_dispatch("default") == dispatch
    assert (again.last_api().host, again.last_api().port) == ("127.0.0.1", 8088)


async def test_what_1_0_2_left_in_agent_json_is_still_known(store: ConfigStore, paths: Paths) -> None:
    edit(agent_file(paths), last_dispatch={"channel": "qq", "user_id": "u", "session_id": "s"})
    await store.reread_agent("default")
    dispatch = store.last_dispatch("default")
    assert dispatch is not None
    assert dispatch.channel == "qq"


async def test_a_removed_agent_s_run_time_state_goes_with_it(store: ConfigStore) -> None:
    await add(store, "b")
    await store.record_last_dispatch("b", channel="console", user_id="u", session_id="s")
    await store.remove_agent("b")
    await add(store, "b")
    assert store.last_dispatch("b") is None
