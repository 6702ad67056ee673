"""What agents have in common is in memory once, and a change of one agent is a change of that one alone."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from copaw.config.home import make_home
from copaw.config.models import AgentProfileConfig, AgentProfileRef, new_profile
from copaw.config.shared_parts import SharedParts, not_shared
from copaw.config.store import ConfigStore
from copaw.paths import Paths


def profile(name: str, **running: int) -> AgentProfileConfig:
    made = new_profile(name, name, workspace_dir="", language="en")
    return AgentProfileConfig.model_validate({**made.model_dump(), "running": {"max_iters": 7, **running}})


def test_equal_parts_are_one_object_and_others_are_not() -> None:
    parts, one, two, other = SharedParts(), profile("one"), profile("two"), profile("other", max_iters=8)
    for model in (one, two, other):
        parts.share(model)
    assert one.running is two.running
    assert one.tools is two.tools is other.tools
    assert other.running is not one.running
    assert (other.running.max_iters, one.running.max_iters) == (8, 7)


def test_sharing_changes_nothing_that_can_be_told() -> None:
    parts, one, two = SharedParts(), profile("one"), profile("two")
    parts.share(one)
    before, set_before = two.model_dump(), two.model_fields_set
    parts.share(two)
    assert (two.model_dump(), two.model_fields_set) == (before, set_before)


def test_only_what_is_not_shared_can_differ() -> None:
    parts, one, other = SharedParts(), profile("one"), profile("one", max_iters=8)
    for model in (one, other):
        parts.share(model)
    apart = not_shared(one, other)
    assert "running" in apart
    assert apart.isdisjoint({"tools", "channels", "mcp", "security"})
    assert not_shared(one, one) == set()


def test_an_unknown_field_that_only_one_has_is_not_shared() -> None:
    one = profile("one")
    further = AgentProfileConfig.model_validate({**one.model_dump(), "later": 1})
    assert "later" in not_shared(one, further) & not_shared(further, one)


def test_parts_that_nobody_uses_are_forgotten() -> None:
    parts, one = SharedParts(), profile("one")
    parts.share(one)
    running = weakref.ref(one.running)
    del one
    gc.collect()
    assert running() is None


async def test_a_change_of_one_agent_does_not_reach_those_that_shared_with_it(tmp_path: Path) -> None:
    paths = Paths(working_dir=tmp_path / "copaw", secret_dir=tmp_path / "secret")
    make_home(paths, language="en")
    store = ConfigStore(paths)
    await store.load()
    for name in ("one", "two"):
        root = str(paths.default_workspace(name))
        await store.add_agent(AgentProfileRef(id=name, workspace_dir=root), profile(name))
    assert store.agent("one").running is store.agent("two").running
    await store.patch_agent("one", lambda changed: setattr(changed.running, "max_iters", 99))
    assert (store.agent("one").running.max_iters, store.agent("two").running.max_iters) == (99, 7)
