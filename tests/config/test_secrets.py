from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.config.secrets import SecretFiles, mask
from copaw.errors import BadInput, ConfigFileError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home.secret"


@pytest.fixture
def secrets(directory: Path) -> SecretFiles:
    return SecretFiles(directory)


def test_what_was_written_is_read(secrets: SecretFiles, directory: Path) -> None:
    secrets.write("providers/openai", {"api_key": "k"})
    assert secrets.read("providers/openai") == {"api_key": "k"}
    assert (directory / "providers" / "openai.json").is_file()


def test_what_was_never_written_is_empty(secrets: SecretFiles, directory: Path) -> None:
    assert secrets.read("auth") == {}
    assert secrets.names() == []
    assert secrets.delete("auth") is False
    assert not directory.exists()


def test_only_the_owner_can_read(secrets: SecretFiles, directory: Path) -> None:
    secrets.write("providers/custom/mine", {})
    for path in (directory, directory / "providers", directory / "providers" / "custom"):
        assert mode_of(path) == 0o700
    assert mode_of(directory / "providers" / "custom" / "mine.json") == 0o600


def test_a_directory_that_is_made_above_is_not_open_to_others_either(directory: Path) -> None:
    SecretFiles(directory / "providers").write("custom/mine", {})
    assert mode_of(directory) == 0o700


def test_a_looser_mode_is_mended_by_the_next_write(secrets: SecretFiles, directory: Path) -> None:
    secrets.write("a/b", {"v": 1})
    for path, mode in ((directory, 0o755), (directory / "a", 0o777), (directory / "a" / "b.json", 0o644)):
        path.chmod(mode)
    secrets.write("a/b", {"v": 1})
    assert [mode_of(p) for p in (directory, directory / "a", directory / "a" / "b.json")] == [0o700, 0o700, 0o600]


def test_names_are_listed_and_deleted(secrets: SecretFiles) -> None:
    for name in ("envs", "providers/b", "providers/a.1"):
        secrets.write(name, {})
    assert secrets.names() == ["envs", "providers/a.1", "providers/b"]
    assert secrets.delete("envs") is True
    assert secrets.names() == ["providers/a.1", "providers/b"]


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a\\b", ".hidden", "a\0", "c:x"]
)
def test_a_name_cannot_lead_out(secrets: SecretFiles, name: str) -> None:
    for use in (secrets.read, secrets.delete, lambda name: secrets.write(name, {})):
        with pytest.raises(BadInput):
            use(name)


def test_a_link_cannot_lead_out(secrets: SecretFiles, directory: Path, tmp_path: Path) -> None:
    secrets.write("a", {})
    (directory / "out").symlink_to(tmp_path)
    with pytest.raises(BadInput):
        secrets.write("out/x", {})


@pytest.mark.parametrize("content", ["", "[]", '{"a"'])
def test_a_broken_file_is_an_error_and_is_left_alone(secrets: SecretFiles, directory: Path, content: str) -> None:
    secrets.write("a", {})
    (directory / "a.json").write_text(content)
    with pytest.raises(ConfigFileError):
        secrets.read("a")
    assert (directory / "a.json").read_text() == content


def test_a_mask_shows_both_ends() -> None:
    assert mask("sk-1234567890abcdefghijklmnop") == "sk-1************mnop"
    assert mask("short") == "*****"
    assert mask("") == ""


@given(st.text("abc", min_size=1, max_size=60))
def test_a_mask_shows_at_most_a_third(secret: str) -> None:
    masked = mask(secret)
    assert 3 * (len(masked) - masked.count("*")) <= len(secret)
    assert "*" in masked
