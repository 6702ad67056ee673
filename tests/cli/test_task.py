"""``copaw task`` runs a copy: the agent itself is not touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copaw.cli.task_run import Options, changed, copy_agent, keep
from copaw.config.home import make_home
from copaw.errors import AgentNotFound, BadInput
from copaw.paths import Paths

OPTIONS = Options("do it", "default", None, 7, 60, no_guard=False, output_dir=None)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(working_dir=tmp_path / "home", secret_dir=tmp_path / "secret")
    make_home(made, language="en")
    return made


def test_the_copy_has_the_agents_settings_and_prompts_and_a_workspace_of_its_own(paths: Paths, tmp_path: Path) -> None:
    source = paths.default_workspace("default")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    workspace = copy_agent(paths, tmp_path / "copy", replace(OPTIONS, model="openai/gpt-x/y"))
    agent = json.loads((workspace / "agent.json").read_text())
    assert agent["running"]["max_iters"] == 7
    assert agent["active_model"] == {"provider_id": "openai", "model": "gpt-x/y"}
    assert agent["workspace_dir"] == str(workspace)
    assert (workspace / "AGENTS.md").read_bytes() == (source / "AGENTS.md").read_bytes()
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_an_unknown_agent_and_a_model_that_is_none_are_refused(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(AgentNotFound):
        copy_agent(paths, tmp_path / "copy", replace(OPTIONS, agent_id="nobody"))
    with pytest.raises(BadInput, match="PROVIDER/MODEL"):
        copy_agent(paths, tmp_path / "copy", replace(OPTIONS, model="gpt"))


def test_what_was_made_is_kept(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "sub").mkdir(parents=True)
    (workspace / "sub" / "made.txt").write_text("x")
    keep(tmp_path / "out", workspace, {Path("sub/made.txt")}, {"id": "t"})
    assert (tmp_path / "out" / "sub" / "made.txt").read_text() == "x"
    assert json.loads((tmp_path / "out" / "task.json").read_text()) == {"id": "t"}


def test_kept_is_what_the_run_made_or_changed_and_not_what_the_server_keeps() -> None:
    before = {Path("AGENTS.md"): (1, 1), Path("PROFILE.md"): (1, 1), Path("agent.json"): (1, 1)}
    after = {**before, Path("PROFILE.md"): (2, 1), Path("new.txt"): (3, 1), Path("sessions/s.json"): (3, 1)}
    assert changed(before, {**after, Path("agent.json"): (4, 1)}) == {Path("PROFILE.md"), Path("new.txt")}


@pytest.mark.parametrize("arguments", [(), ("-i", "x", "--max-iters", "0"), ("-i", "x", "--skills-dir", ".")])
def test_wrong_usage_says_so(run: Any, arguments: tuple[str, ...]) -> None:
    assert run("task", *arguments).exit_code == 2
