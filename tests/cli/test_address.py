from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.cli.address import resolve, url_of
from copaw.errors import BadInput
from copaw.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path / "secret")


def _last(file: Path, host: str, port: object) -> None:
    file.write_text(json.dumps({"other": 1, "last_api": {"host": host, "port": port}}))


def test_without_any_hint_it_is_the_default_port(paths: Paths) -> None:
    assert resolve(None, None, None, paths) == "http://127.0.0.1:8088"


def test_the_configuration_file_is_the_last_hint(paths: Paths) -> None:
    _last(paths.config_file, "127.0.0.1", 5001)
    assert resolve(None, None, None, paths) == "http://127.0.0.1:5001"
    _last(paths.working_dir / "runtime.json", "127.0.0.1", 5002)
    assert resolve(None, None, None, paths) == "http://127.0.0.1:5002"


def test_options_win_over_hints_one_by_one(paths: Paths) -> None:
    _last(paths.working_dir / "runtime.json", "10.0.0.1", 5002)
    assert resolve(None, None, 6000, paths) == "http://10.0.0.1:6000"
    assert resolve(None, "10.0.0.2", None, paths) == "http://10.0.0.2:5002"
    assert resolve(None, "10.0.0.2", 6000, paths) == "http://10.0.0.2:6000"
    assert resolve("https://agents.example/", "10.0.0.2", 6000, paths) == "https://agents.example"


@pytest.mark.parametrize("content", ["{", "[]", '{"last_api": null}', '{"last_api": {"host": "x", "port": "y"}}', ""])
def test_a_hint_that_makes_no_sense_is_passed_over(paths: Paths, content: str) -> None:
    (paths.working_dir / "runtime.json").write_text(content)
    assert resolve(None, None, None, paths) == "http://127.0.0.1:8088"


def test_a_wildcard_is_reached_over_loopback() -> None:
    assert url_of("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert url_of("::", 1) == "http://[::1]:1"


def test_an_address_ending_in_api_means_its_server(paths: Paths) -> None:
    assert resolve("http://h:1/api/", None, None, paths) == "http://h:1"


def test_an_address_without_a_scheme_is_refused_by_name(paths: Paths) -> None:
    with pytest.raises(BadInput, match="--base-url"):
        resolve("localhost:8088", None, None, paths)
