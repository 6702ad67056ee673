from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.cli.credentials import token_for
from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput
from copaw.paths import Paths
from copaw.security.local_token import local_token


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home", tmp_path / "secret")


@pytest.fixture
def local(paths: Paths) -> str:
    return local_token(SecretFiles(paths.secret_dir))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.5"])
def test_a_server_on_this_machine_gets_the_local_token(paths: Paths, local: str, host: str) -> None:
    assert token_for(f"http://{host}:8088", paths, {}) == local


@pytest.mark.parametrize(
    "base_url",
    [
        "http://192.0.2.7:8088",
        "https://copaw.example",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
    ],
)
def test_another_machine_never_gets_it(paths: Paths, local: str, base_url: str) -> None:
    assert local
    assert token_for(base_url, paths, {}) is None


def test_the_address_where_the_server_was_started_is_here(paths: Paths, local: str) -> None:
    paths.working_dir.mkdir()
    (paths.working_dir / "runtime.json").write_text(json.dumps({"last_api": {"host": "192.0.2.7", "port": 1}}))
    assert token_for("http://192.0.2.7:8088", paths, {}) == local
    assert token_for("http://192.0.2.8:8088", paths, {}) is None


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8088", "https://copaw.example"])
def test_the_variable_wins_everywhere(paths: Paths, local: str, base_url: str) -> None:
    assert token_for(base_url, paths, {"COPAW_API_TOKEN": " abc.def \n"}) == "abc.def" != local


@pytest.mark.parametrize("value", ["ä", "a\r\nX-Evil: 1"])
def test_what_cannot_be_a_header_is_bad_input(paths: Paths, value: str) -> None:
    with pytest.raises(BadInput, match="COPAW_API_TOKEN"):
        token_for("http://127.0.0.1:8088", paths, {"COPAW_API_TOKEN": value})


def test_without_a_token_it_shows_none_and_makes_none(paths: Paths) -> None:
    assert token_for("http://127.0.0.1:8088", paths, {}) is None
    assert token_for("http://[::1", paths, {}) is None
    assert not paths.secret_dir.exists()


def test_every_command_shows_it(ask, server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.on("GET", "/api/agents", {"agents": []})
    assert ask("agents", "list").exit_code == 0
    assert "authorization" not in server.seen[-1].headers
    token = local_token(SecretFiles(tmp_path / "secret"))
    assert ask("agents", "list").exit_code == 0
    assert server.seen[-1].headers["authorization"] == f"Bearer {token}"
    monkeypatch.setenv("COPAW_API_TOKEN", "elsewhere")
    assert ask("agents", "list").exit_code == 0
    assert server.seen[-1].headers["authorization"] == "Bearer elsewhere"
