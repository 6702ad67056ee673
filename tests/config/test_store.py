"""The store: one snapshot in memory, and changes that never lose another's."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from copaw.config.changes import ConfigChange
from copaw.config.models import AgentProfileConfig, AgentProfileRef, new_profile
from copaw.config.store import ConfigStore
from copaw.errors import BadInput, ConfigFileError, Conflict, LifecycleBug
from copaw.paths import Paths
from copaw.testing.config_home import agent_file, edit, heard, loaded, read, set_iters

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
QA = "CoPaw_QA_Agent_0.1beta1"


@contextmanager
def no_room() -> Iterator[None]:
    """Files of this process cannot grow beyond 64 bytes, as on a full disk. Not a fixture: pytest writes, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def set_name(name: str) -> Any:
    def change(profile: AgentProfileConfig) -> None:
        profile.name = name

    return change


async def add(store: ConfigStore, agent_id: str) -> None:
    directory = str(store.paths.default_workspace(agent_id))
    await store.add_agent(
        AgentProfileRef(id=agent_id, workspace_dir=directory), new_profile(agent_id, agent_id, workspace_dir=directory)
    )


async def test_a_home_of_1_0_2_loads_and_not_a_byte_of_it_changes(paths: Paths) -> None:
    home = str(paths.working_dir.parent)
    for agent_id in ("default", QA):
        text = (SAMPLES / "file_agent.json").read_text(encoding="utf-8").replace("<home>", home)
        agent_file(paths, agent_id).parent.mkdir(parents=True)
        agent_file(paths, agent_id).write_text(text.replace('"default"', f'"{agent_id}"', 1), encoding="utf-8")
    config = (SAMPLES / "file_config.json").read_text(encoding="utf-8").replace("<home>", home)
    paths.config_file.write_text(config, encoding="utf-8")
    before = {path: path.read_bytes() for path in paths.working_dir.rglob("*") if path.is_file()}

    store = await loaded(paths)

    assert store.agent_ids() == ["default", QA]
    assert store.agent(QA).id == QA
    assert store.workspace_dir(QA) == paths.default_workspace(QA)
    assert store.last_api().port == 50333
    assert store.problem("default") is None
    assert {path: path.read_bytes() for path in paths.working_dir.rglob("*") if path.is_file()} == before


async def test_a_new_home_loads(store: ConfigStore) -> None:
    assert store.agent_ids() == ["default"]
    assert store.agent("default").name == "Default"
    assert store.ref("default").enabled
    assert (store.revision("default"), store.root_revision) == (1, 1)


async def test_without_config_json_the_error_says_how_to_make_one(paths: Paths) -> None:
    with pytest.raises(ConfigFileError, match="copaw init"):
        await ConfigStore(paths).load()
    assert not paths.config_file.exists()


def test_use_before_loading_is_a_bug(paths: Paths) -> None:
    with pytest.raises(LifecycleBug):
        ConfigStore(paths).agent_ids()


BROKEN = [
    pytest.param(b"", "", id="empty"),
    pytest.param(b'{"id": "default", "na', "", id="truncated"),
    pytest.param(b'{"id": "d\xe4", "name": "D"}', "", id="not UTF-8"),
    pytest.param(b"[]", "", id="a list"),
    pytest.param(b'{"id": "d", "name": "D", "running": {"max_iters": "many"}}', "running.max_iters", id="wrong type"),
    pytest.param(b'{"id": "d", "name": "D", "running": {"max_iters": 0}}', "running.max_iters", id="out of range"),
    pytest.param(b'{"id": "d", "name": "D", "channels": {"console": []}}', "channels.console", id="a list inside"),
    pytest.param(b'{"id": "d"}', "name", id="missing field"),
]


@pytest.mark.parametrize(("content", "field"), BROKEN)
async def test_a_broken_agent_file_is_told_and_stops_nobody_else(
    store: ConfigStore, paths: Paths, content: bytes, field: str
) -> None:
    await add(store, "other")
    agent_file(paths).write_bytes(content)
    again = await loaded(paths)
    assert again.agent("other").name == "other"
    problem = again.problem("default")
    assert problem is not None
    assert (problem.path, problem.field) == (agent_file(paths), field)
    assert str(agent_file(paths)) in problem.message
    with pytest.raises(ConfigFileError):
        again.agent("default")
    with pytest.raises(ConfigFileError):
        await again.patch_agent("default", set_name("X"))
    assert again.revision("default") == 0
    assert agent_file(paths).read_bytes() == content


@pytest.mark.parametrize(("content", "field"), BROKEN)
async def test_a_file_that_breaks_later_leaves_the_last_good_state(
    store: ConfigStore, paths: Paths, content: bytes, field: str
) -> None:
    good = agent_file(paths).read_bytes()
    changes = heard(store)
    agent_file(paths).write_bytes(content)
    with pytest.raises(ConfigFileError) as caught:
        await store.reread_agent("default")
    assert caught.value.field == field
    assert store.problem("default") is not None
    assert store.agent("default").name == "Default"
    with pytest.raises(ConfigFileError):
        await store.patch_agent("default", set_name("X"))
    assert agent_file(paths).read_bytes() == content
    assert changes == []

    agent_file(paths).write_bytes(good)
    assert await store.reread_agent("default") is False
    assert store.problem("default") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"agents": []}', b'{"agents": {"profiles": {"a": {}}}}'])
async def test_a_broken_config_json_is_never_replaced(store: ConfigStore, paths: Paths, content: bytes) -> None:
    paths.config_file.write_bytes(content)
    with pytest.raises(ConfigFileError):
        await store.reread_root()
    with pytest.raises(ConfigFileError):
        await store.set_enabled("default", False)
    with pytest.raises(ConfigFileError):
        await ConfigStore(paths).load()
    assert store.agent_ids() == ["default"]
    assert store.ref("default").enabled
    assert paths.config_file.read_bytes() == content


async def test_a_file_that_is_gone_is_an_error(store: ConfigStore, paths: Paths) -> None:
    agent_file(paths).unlink()
    with pytest.raises(ConfigFileError, match="does not exist"):
        await store.patch_agent("default", set_name("X"))
    assert not agent_file(paths).exists()
    assert store.agent("default").name == "Default"


async def test_a_byte_order_mark_is_tolerated(store: ConfigStore, paths: Paths) -> None:
    agent_file(paths).write_bytes(b"\xef\xbb\xbf" + agent_file(paths).read_bytes())
    assert await store.reread_agent("default") is False


async def test_errors_do_not_show_secrets(store: ConfigStore, paths: Paths) -> None:
    edit(agent_file(paths), channels={"telegram": {"bot_token": 123456789}})
    with pytest.raises(ConfigFileError) as caught:
        await store.reread_agent("default")
    assert caught.value.field == "channels.telegram.bot_token"
    assert "123456789" not in str(caught.value)


async def test_a_patch_is_on_disk_in_force_and_told(store: ConfigStore, paths: Paths) -> None:
    changes = heard(store)
    assert await store.patch_agent("default", set_iters(7)) == 2
    assert store.agent("default").running.max_iters == 7
    assert store.revision("default") == 2
    assert read(agent_file(paths))["running"]["max_iters"] == 7
    assert changes == [ConfigChange("agent", "default", 2)]


async def test_a_patch_does_not_touch_models_handed_out_before(store: ConfigStore) -> None:
    before, digest = store.agent("default"), store.digest("default")
    await store.patch_agent("default", set_iters(7))
    assert before.running.max_iters == 100
    assert store.digest("default") != digest


async def test_a_patch_that_changes_nothing_writes_nothing(store: ConfigStore, paths: Paths) -> None:
    changes, before = heard(store), agent_file(paths).stat()
    assert await store.patch_agent("default", set_iters(100)) == 1
    after = agent_file(paths).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert changes == []


async def test_a_short_hand_written_file_stays_short(store: ConfigStore, paths: Paths) -> None:
    agent_file(paths).write_text('{"id": "default", "name": "D", "mine": {"x": [1]}}')
    await store.patch_agent("default", set_iters(7))
    written = read(agent_file(paths))
    assert written["running"]["max_iters"] == 7
    assert sorted(written) == ["id", "mine", "name", "running"]


async def test_unknown_fields_survive_at_every_level(store: ConfigStore, paths: Paths) -> None:
    content = read(agent_file(paths))
    content["later"] = {"deep": [1, {"x": None}]}
    content["running"]["later"] = 1.0
    content["running"]["embedding_config"]["later"] = "é"
    content["channels"]["pigeon"] = {"loft": "north"}
    content["mcp"]["clients"]["tavily_search"]["later"] = True
    content["security"]["tool_guard"]["custom_rules"] = [{"id": "r", "later": 2}]
    agent_file(paths).write_text(json.dumps(content))

    def change(profile: AgentProfileConfig) -> None:
        assert profile.mcp is not None
        assert profile.security is not None
        profile.running.max_iters = 7
        profile.running.embedding_config.dimensions = 8
        profile.mcp.clients["tavily_search"].enabled = True
        profile.security.tool_guard.custom_rules[0].severity = "LOW"

    await store.patch_agent("default", change)
    content["running"]["max_iters"] = 7
    content["running"]["embedding_config"]["dimensions"] = 8
    content["mcp"]["clients"]["tavily_search"]["enabled"] = True
    written = read(agent_file(paths))
    rule = written["security"]["tool_guard"]["custom_rules"][0]
    assert (rule["later"], rule["severity"]) == (2, "LOW")
    content["security"]["tool_guard"]["custom_rules"] = [rule]
    assert written == content


async def test_patches_of_different_sections_at_the_same_time_are_both_kept(store: ConfigStore, paths: Paths) -> None:
    def change(number: int) -> Any:
        def apply(profile: AgentProfileConfig) -> None:
            assert profile.mcp is not None
            profile.mcp.clients[f"c{number}"] = profile.mcp.clients["tavily_search"].model_copy()

        return apply

    revisions = await asyncio.gather(
        store.patch_agent("default", set_iters(7)),
        store.patch_agent("default", set_name("N")),
        *(store.patch_agent("default", change(number)) for number in range(10)),
    )
    written = read(agent_file(paths))
    assert (written["running"]["max_iters"], written["name"]) == (7, "N")
    assert set(written["mcp"]["clients"]) == {"tavily_search", *(f"c{number}" for number in range(10))}
    assert sorted(revisions) == list(range(2, 14))
    assert AgentProfileConfig.model_validate(written) == store.agent("default")


async def test_two_stores_on_one_home_keep_each_other_s_changes(store: ConfigStore, paths: Paths) -> None:
    other = await loaded(paths)
    for number in range(3):
        await store.patch_agent("default", set_iters(number + 1))
        await other.patch_agent("default", set_name(f"N{number}"))
    assert other.agent("default").running.max_iters == 3
    await store.reread_agent("default")
    assert store.agent("default") == other.agent("default")


async def test_an_edit_by_somebody_else_before_a_patch_is_kept(store: ConfigStore, paths: Paths) -> None:
    changes = heard(store)
    edit(agent_file(paths), language="en", mine=1)
    assert await store.patch_agent("default", set_iters(7)) >= 2
    written = read(agent_file(paths))
    assert (written["language"], written["mine"], written["running"]["max_iters"]) == ("en", 1, 7)
    assert store.agent("default").language == "en"
    assert {change.kind for change in changes} == {"agent"}


async def test_an_edit_by_somebody_else_in_the_middle_of_a_patch_is_kept(store: ConfigStore, paths: Paths) -> None:
    calls: list[str] = []

    def change(profile: AgentProfileConfig) -> None:
        if not calls:
            edit(agent_file(paths), description="by hand")  # after it was read, before it is written
        calls.append(profile.description)
        profile.running.max_iters = 7

    await store.patch_agent("default", change)
    written = read(agent_file(paths))
    assert (written["description"], written["running"]["max_iters"]) == ("by hand", 7)
    assert len(calls) == 2
    assert calls[1] == "by hand"


async def test_a_file_that_never_rests_ends_in_a_conflict(store: ConfigStore, paths: Paths) -> None:
    edits = iter(range(1000))

    def change(profile: AgentProfileConfig) -> None:
        edit(agent_file(paths), description=f"edit {next(edits)}")
        profile.running.max_iters = 7

    with pytest.raises(Conflict, match="all the time"):
        await store.patch_agent("default", change)
    assert read(agent_file(paths))["running"]["max_iters"] == 100


async def test_a_patch_for_an_older_revision_is_refused(store: ConfigStore, paths: Paths) -> None:
    await store.patch_agent("default", set_iters(7), expected_revision=1)
    with pytest.raises(Conflict, match="revision 1"):
        await store.patch_agent("default", set_iters(8), expected_revision=1)
    edit(agent_file(paths), description="by hand")
    with pytest.raises(Conflict):
        await store.patch_agent("default", set_iters(8), expected_revision=2)
    assert store.agent("default").running.max_iters == 7


async def test_an_invalid_patch_names_the_field_and_writes_nothing(store: ConfigStore, paths: Paths) -> None:
    before, changes = agent_file(paths).read_bytes(), heard(store)
    with pytest.raises(BadInput) as caught:
        await store.patch_agent("default", set_iters(0))
    assert caught.value.field == "running.max_iters"
    assert "running.max_iters" in caught.value.message

    def wrong_type(profile: AgentProfileConfig) -> None:
        vars(profile)["channels"] = {"console": {"enabled": "perhaps"}}

    with pytest.raises(BadInput) as caught:
        await store.patch_agent("default", wrong_type)
    assert caught.value.field == "channels.console.enabled"
    assert agent_file(paths).read_bytes() == before
    assert store.agent("default").running.max_iters == 100
    assert changes == []


async def test_what_json_cannot_hold_is_bad_input(store: ConfigStore, paths: Paths) -> None:
    before = agent_file(paths).read_bytes()

    def change(profile: AgentProfileConfig) -> None:
        assert profile.model_extra is not None
        profile.model_extra["later"] = {"x": object()}

    with pytest.raises(BadInput, match="JSON"):
        await store.patch_agent("default", change)
    assert agent_file(paths).read_bytes() == before


async def test_an_error_of_the_change_itself_is_passed_on_and_writes_nothing(store: ConfigStore, paths: Paths) -> None:
    before = agent_file(paths).read_bytes()

    def change(profile: AgentProfileConfig) -> None:
        profile.name = "half"
        raise KeyError("server")

    with pytest.raises(KeyError):
        await store.patch_agent("default", change)
    assert agent_file(paths).read_bytes() == before
    assert await store.patch_agent("default", set_name("N")) == 2


async def test_a_failed_write_leaves_the_old_file_and_the_old_state(store: ConfigStore, paths: Paths) -> None:
    before, changes = agent_file(paths).read_bytes(), heard(store)
    with no_room(), pytest.raises(ConfigFileError, match="as it was"):
        await store.patch_agent("default", set_iters(7))
    assert agent_file(paths).read_bytes() == before
    assert store.agent("default").running.max_iters == 100
    assert store.revision("default") == 1
    assert changes == []
    assert not list(agent_file(paths).parent.glob(".*"))


async def test_a_cancelled_patch_is_finished_before_the_next_one(store: ConfigStore, paths: Paths) -> None:
    entered = asyncio.Event()

    def change(profile: AgentProfileConfig) -> None:
        profile.running.max_iters = 7
        entered.set()

    patch = asyncio.create_task(store.patch_agent("default", change))
    await entered.wait()
    patch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await patch
    assert store.agent("default").running.max_iters == 7
    assert await store.patch_agent("default", set_name("N")) == 3
    assert read(agent_file(paths))["running"]["max_iters"] == 7


async def test_no_limit_and_the_default_limit_are_told_apart_after_a_restart(store: ConfigStore, paths: Paths) -> None:
    def change(profile: AgentProfileConfig) -> None:
        profile.running.reload_grace_seconds = None

    await store.patch_agent("default", change)
    assert (await loaded(paths)).agent("default").running.reload_grace_seconds is None
