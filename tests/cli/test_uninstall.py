from __future__ import annotations

import sys
from pathlib import Path

import pytest

from copaw.app.background.server_lock import lock_working_dir

pytestmark = pytest.mark.usefixtures("asked")


def test_without_purge_the_data_stays(run, made: Path, asked) -> None:
    result = run("uninstall", input="y\n")
    assert result.exit_code == 0
    assert asked() == "tool uninstall copaw\n"
    assert f"Stays: {made}" in result.stdout
    assert (made / "config.json").exists()


def test_a_no_removes_nothing(run, made: Path, asked) -> None:
    assert run("uninstall", "--purge", input="n\n").exit_code == 1
    assert asked() == ""
    assert (made / "config.json").exists()


def test_purge_removes_both_directories_but_follows_no_link(run, made: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (made / "workspaces" / "linked").symlink_to(outside)
    (outside / "x").touch()
    result = run("uninstall", "--purge", "--yes")
    assert result.exit_code == 0, result.output
    assert str(made / "workspaces") in result.stdout
    assert not made.exists()
    assert not (tmp_path / "secret").exists()
    assert (outside / "x").exists()


def test_a_home_that_is_a_link_is_emptied_and_unlinked(
    run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linked").symlink_to(made)
    monkeypatch.setenv("COPAW_WORKING_DIR", str(tmp_path / "linked"))
    assert run("uninstall", "--purge", "--yes").exit_code == 0
    assert not (tmp_path / "linked").is_symlink()
    assert list(made.iterdir()) == []


def test_it_refuses_while_a_server_runs(run, made: Path, asked) -> None:
    lock = lock_working_dir(made)
    try:
        result = run("uninstall", "--purge", "--yes")
    finally:
        lock.release()
    assert result.exit_code == 1
    assert "copaw shutdown" in result.stderr
    assert asked() == ""
    assert (made / "config.json").exists()


def test_when_the_package_manager_fails_no_data_goes(run, made: Path) -> None:
    assert run("uninstall", "--purge", "--yes", env={"UV_STATUS": "4"}).exit_code == 1
    assert (made / "config.json").exists()


def test_the_program_of_an_installer_of_1_0_2_goes(run, made: Path, monkeypatch: pytest.MonkeyPatch, asked) -> None:
    (made / "venv").mkdir()
    (made / "bin").mkdir()
    monkeypatch.setattr(sys, "prefix", str(made / "venv"))
    assert run("uninstall", "--yes").exit_code == 0
    assert asked() == ""
    assert not (made / "venv").exists()
    assert not (made / "bin").exists()
    assert (made / "config.json").exists()


def test_purge_removes_secrets_below_the_working_directory(run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "secret" / "providers").mkdir(parents=True)
    monkeypatch.setenv("COPAW_SECRET_DIR", str(made / "secret"))
    result = run("uninstall", "--purge", "--yes")
    assert result.exit_code == 0, result.output
    assert not made.exists()
