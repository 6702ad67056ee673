"""How copaw was installed is read from what installers leave, and decides the commands."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from copaw.cli.installation import CommandFailed, How, installation, of, run

PYTHON = "/venv/bin/python"


def found(directory: Path, installer: str, origin: object = None) -> PathDistribution:
    """A package as an installer leaves it."""
    info = directory / "copaw-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: copaw\nVersion: 1.0\n")
    (info / "INSTALLER").write_text(f"{installer}\n")
    if origin is not None:
        (info / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))
    return PathDistribution(info)


def test_pip(tmp_path: Path) -> None:
    one = of(found(tmp_path, "pip"), tmp_path, PYTHON)
    assert one.how is How.PIP
    assert one.update_command() == [PYTHON, "-m", "pip", "install", "--upgrade", "copaw"]
    assert one.uninstall_command() == [PYTHON, "-m", "pip", "uninstall", "--yes", "copaw"]


def test_uv(tmp_path: Path) -> None:
    one = of(found(tmp_path, "uv"), tmp_path, PYTHON)
    assert one.update_command() == ["uv", "pip", "install", "--python", PYTHON, "--upgrade", "copaw"]
    assert one.uninstall_command() == ["uv", "pip", "uninstall", "--python", PYTHON, "copaw"]


@pytest.mark.parametrize(
    ("receipt", "update", "uninstall"),
    [
        ("uv-receipt.toml", "uv tool upgrade copaw", "uv tool uninstall copaw"),
        ("pipx_metadata.json", "pipx upgrade copaw", "pipx uninstall copaw"),
    ],
)
def test_tools_with_an_environment_of_their_own(tmp_path: Path, receipt: str, update: str, uninstall: str) -> None:
    (tmp_path / receipt).touch()
    one = of(found(tmp_path, "uv"), tmp_path, PYTHON)
    assert " ".join(one.update_command()) == update
    assert " ".join(one.uninstall_command()) == uninstall


def test_a_repository_is_named_again(tmp_path: Path) -> None:
    origin = {"url": "https://example.org/copaw.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}
    one = of(found(tmp_path, "pip", origin), tmp_path, PYTHON)
    assert one.update_command()[-1] == "copaw @ git+https://example.org/copaw.git"


def test_an_archive_has_no_newer_version_so_the_name_is_asked_for(tmp_path: Path) -> None:
    one = of(found(tmp_path, "pip", {"url": "file:///x/copaw.whl", "archive_info": {}}), tmp_path, PYTHON)
    assert one.update_command()[-1] == "copaw"


def test_a_checkout_is_where_it_is(tmp_path: Path) -> None:
    origin = {"url": "file:///src/my%20copaw", "dir_info": {"editable": True}}
    one = of(found(tmp_path, "pip", origin), tmp_path, PYTHON)
    assert (one.how, one.where) == (How.CHECKOUT, Path("/src/my copaw"))


@pytest.mark.parametrize("origin", ["{", "[]", "null"])
def test_a_broken_origin_is_none(tmp_path: Path, origin: str) -> None:
    assert of(found(tmp_path, "pip", origin), tmp_path, PYTHON).how is How.PIP


def test_the_one_that_runs_is_known() -> None:
    assert installation().where.is_dir()


def test_a_command_that_fails_or_is_not_there_is_told() -> None:
    with pytest.raises(CommandFailed, match="status 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(CommandFailed, match="run it yourself: no-such-tool x"):
        run(["no-such-tool", "x"])
