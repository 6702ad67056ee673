from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest

from copaw.config.home import BOOTSTRAP_FILE, PROMPT_FILES, home_exists, make_agent_workspace, make_home
from copaw.config.models import AgentProfileConfig, RootConfig, new_profile
from copaw.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / ".copaw", tmp_path / ".copaw.secret")


def content_of(paths: Paths) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in paths.working_dir.rglob("*") if path.is_file()}


def test_a_new_home_is_complete(paths: Paths) -> None:
    assert not home_exists(paths)
    made = make_home(paths, language="zh")
    assert home_exists(paths)
    workspace = paths.default_workspace("default")
    assert {path.name for path in workspace.iterdir()} == {
        *PROMPT_FILES,
        BOOTSTRAP_FILE,
        "agent.json",
        "chats.json",
        "jobs.json",
        "sessions",
        "memory",
        "media",
    }
    assert set(made) == set(content_of(paths))
    assert made[-1] == paths.config_file  # so that a home that exists is a whole one
    root = RootConfig.model_validate_json(paths.config_file.read_bytes())
    profile = AgentProfileConfig.model_validate_json((workspace / "agent.json").read_bytes())
    assert root.agents.profiles["default"].workspace_dir == str(workspace) == profile.workspace_dir
    assert (root.agents.active_agent, root.agents.agent_order) == ("default", ["default"])
    assert (profile.id, profile.name, profile.language) == ("default", "Default", "zh")
    assert json.loads((workspace / "chats.json").read_text()) == {"version": 1, "chats": []}
    assert json.loads((workspace / "jobs.json").read_text()) == {"version": 1, "jobs": []}


def test_a_second_time_nothing_is_made(paths: Paths) -> None:
    make_home(paths, language="en")
    before = content_of(paths)
    assert make_home(paths, language="zh") == []
    assert content_of(paths) == before


def test_files_that_exist_are_kept_and_missing_ones_made(paths: Paths) -> None:
    make_home(paths, language="en")
    workspace = paths.default_workspace("default")
    (workspace / "SOUL.md").write_text("mine")
    (workspace / "PROFILE.md").unlink()
    (workspace / BOOTSTRAP_FILE).unlink()
    assert make_home(paths, language="en") == [workspace / "PROFILE.md"]
    assert (workspace / "SOUL.md").read_text() == "mine"
    assert not (workspace / BOOTSTRAP_FILE).exists()  # the first conversation was held


def test_force_replaces_settings_and_keeps_the_old_ones(paths: Paths) -> None:
    make_home(paths, language="en")
    workspace = paths.default_workspace("default")
    (workspace / "SOUL.md").write_text("mine")
    (workspace / "chats.json").write_text('{"version": 1, "chats": [{"id": "c"}]}')
    paths.config_file.write_text('{"old": 1}')
    made = make_home(paths, language="en", force=True)
    assert set(made) == {workspace / "SOUL.md", paths.config_file}
    assert (workspace / "SOUL.md.bak").read_text() == "mine"
    assert (paths.working_dir / "config.json.bak").read_text() == '{"old": 1}'
    assert "c" in (workspace / "chats.json").read_text()
    (workspace / "SOUL.md").write_text("mine again")
    make_home(paths, language="en", force=True)
    assert (workspace / "SOUL.md.bak").read_text() == "mine"
    assert (workspace / "SOUL.md.bak1").read_text() == "mine again"


def test_names_from_the_environment_are_used(tmp_path: Path) -> None:
    paths = Paths.from_environment(
        {
            "COPAW_WORKING_DIR": str(tmp_path / "w"),
            "COPAW_CONFIG_FILE": "c.json",
            "COPAW_CHATS_FILE": "t.json",
            "COPAW_JOBS_FILE": "j.json",
            "COPAW_HEARTBEAT_FILE": "PULSE.md",
        }
    )
    names = {path.name for path in make_home(paths)}
    assert {"c.json", "t.json", "j.json", "PULSE.md"} <= names
    assert not {"config.json", "chats.json", "jobs.json", "HEARTBEAT.md"} & names


def test_the_workspace_of_another_agent_is_made_from_its_profile(tmp_path: Path) -> None:
    profile = new_profile("b", "B", language="zh-CN")
    make_agent_workspace(tmp_path / "b", profile, "zh-CN")
    assert AgentProfileConfig.model_validate_json((tmp_path / "b" / "agent.json").read_bytes()) == profile
    assert "工作方式" in (tmp_path / "b" / "AGENTS.md").read_text(encoding="utf-8")


def test_a_language_without_templates_gets_english(tmp_path: Path) -> None:
    make_agent_workspace(tmp_path / "b", new_profile("b", "B"), "fr")
    assert "How you work" in (tmp_path / "b" / "AGENTS.md").read_text()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [*PROMPT_FILES, BOOTSTRAP_FILE])
def test_templates_are_what_they_claim(language: str, name: str) -> None:
    text = (resources.files("copaw.config") / "templates" / language / name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert bool(re.search(r"[\u4e00-\u9fff]{4}", text)) == (language == "zh")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_heartbeat_has_nothing_to_do_at_first(language: str) -> None:
    text = (resources.files("copaw.config") / "templates" / language / "HEARTBEAT.md").read_text(encoding="utf-8")
    rest = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    assert [line for line in rest.splitlines() if line.strip() and not line.startswith("#")] == []
