"""``copaw doctor`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def quiet(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose server is not running, looked at by nobody special."""
    (made / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    (made.parent / "secret").chmod(0o700)
    (made.parent / "secret" / "providers").chmod(0o700)
    monkeypatch.setenv("COPAW_RUNNING_IN_CONTAINER", "1")
    return made


def test_a_home_with_warnings_is_status_0(run, quiet: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "warn  model" in result.stdout
    assert f"{'':20}copaw models config" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1].startswith("0 broken, 1 to look at")


def test_a_broken_one_is_status_1_and_json_says_the_same(run, quiet: Path) -> None:
    (quiet / "config.json").write_text("{")
    assert run("doctor").exit_code == 1
    result = run("doctor", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["level"] == "error"
    (broken,) = [one for one in document["findings"] if one["level"] == "error"]
    assert broken["check"] == "home"
    assert broken["mend"] == f'"${{EDITOR:-vi}}" {quiet / "config.json"}'


def test_nothing_that_moves_the_cursor_is_printed(run, quiet: Path) -> None:
    config = json.loads((quiet / "config.json").read_text())
    config["agents"]["profiles"]["default"]["workspace_dir"] = "\x1b[2J\0"
    (quiet / "config.json").write_text(json.dumps(config))
    result = run("doctor")
    assert result.exit_code == 1
    assert "\\x1b[2J\\x00" in result.stdout
    assert not {"\x1b", "\0"} & set(result.stdout)


def test_fix_mends_permissions(run, quiet: Path) -> None:
    secrets = quiet.parent / "secret"
    secrets.chmod(0o755)
    assert run("doctor").exit_code == 1
    result = run("doctor", "--fix")
    assert result.exit_code == 0
    assert "Mended: 1 in" in result.stdout
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_nothing_is_made_where_there_is_no_home(run, home: Path) -> None:
    assert run("doctor", "--json").exit_code == 0
    assert not home.exists()
    assert not (home.parent / "secret").exists()


def test_a_timeout_below_a_second_is_wrong_usage(run) -> None:
    assert run("doctor", "--timeout", "0").exit_code == 2
