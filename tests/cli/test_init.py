from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.app.background.server_lock import lock_working_dir
from copaw.cli.init import user_language


def test_defaults_make_a_home_without_a_question(run, home) -> None:
    result = run("init", "--defaults")
    assert result.exit_code == 0
    assert json.loads((home / "config.json").read_text())["agents"]["active_agent"] == "default"
    assert f"made {home / 'config.json'}\n" in result.stdout
    assert "agents act with your rights" in result.stdout
    assert "copaw app" in result.stdout.partition("Next:")[2]


def test_accepting_the_notice_leaves_it_out(run, home) -> None:
    result = run("init", "--defaults", "--accept-security")
    assert result.exit_code == 0
    assert "your rights" not in result.stdout


def test_an_existing_home_is_left_alone_unless_forced(run, home) -> None:
    run("init", "--defaults")
    config = home / "config.json"
    config.write_text('{"mine": 1}')
    result = run("init", "--defaults")
    assert (result.exit_code, config.read_text()) == (0, '{"mine": 1}')
    assert "left alone; --force" in result.stdout
    assert run("init", "--defaults", "--force").exit_code == 0
    assert "agents" in json.loads(config.read_text())


def test_the_questions_decide(run, home) -> None:
    result = run("init", input="y\nzh\nn\n")
    assert result.exit_code == 0
    assert json.loads((home / "config.json").read_text())["agents"]["language"] == "zh"


def test_declining_the_notice_makes_nothing(run, home) -> None:
    result = run("init", input="n\n")
    assert result.exit_code == 1
    assert not home.exists()


def test_a_model_can_be_chosen_on_the_way(run, home) -> None:
    home.mkdir()
    (home / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    result = run("init", "--accept-security", input="en\ny\ndemo\ndemo\n")
    assert result.exit_code == 0, result.output
    assert "The active model is now demo of demo." in result.stdout


@pytest.mark.parametrize(
    ("environ", "language"),
    [({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "de_DE", "LC_ALL": "zh_TW"}, "zh"), ({"LANG": "C"}, "en"), ({}, "en")],
)
def test_the_language_follows_the_locale(environ: dict[str, str], language: str) -> None:
    assert user_language(environ) == language


def test_a_home_that_a_server_uses_is_not_made_anew(run, made: Path) -> None:
    before = (made / "config.json").read_bytes()
    lock = lock_working_dir(made)
    try:
        result = run("init", "--force", "--defaults", "--accept-security")
    finally:
        lock.release()
    assert result.exit_code == 1
    assert "copaw shutdown" in result.stderr
    assert (made / "config.json").read_bytes() == before
