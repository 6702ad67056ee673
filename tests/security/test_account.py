from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError
from copaw.security.account import AccountFile, new_account
from copaw.security.passwords import ScryptCost, verify_password

CHEAP = ScryptCost(log2_n=4)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.fixture
def file(directory: Path) -> AccountFile:
    return AccountFile(SecretFiles(directory))


def test_nobody_is_registered_at_first(file: AccountFile, directory: Path) -> None:
    assert file.load() is None
    assert not directory.exists()


def test_what_is_saved_is_loaded_and_private(file: AccountFile, directory: Path) -> None:
    account = new_account(" me ", "secret", CHEAP)
    file.save(account)
    assert file.load() == account
    assert account.username == "me"
    assert verify_password("secret", account.password_hash)
    path = directory / "auth.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert "secret" not in path.read_text().replace("$scrypt$", "")
    assert [entry.name for entry in directory.iterdir()] == ["auth.json"]


def test_secrets_are_not_in_its_repr() -> None:
    account = new_account("me", "secret", CHEAP)
    assert account.token_key not in repr(account)
    assert account.password_hash not in repr(account)


GOOD = {"username": "me", "password_hash": "$scrypt$ln=4,r=8,p=1$AAAA$AAAA", "token_key": "k" * 43}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "null",
        "[]",
        "\ufeff",
        json.dumps({**GOOD, "token_key": "short"}),
        json.dumps({**GOOD, "token_key": ""}),
        json.dumps({**GOOD, "username": ""}),
        json.dumps({**GOOD, "password_hash": ""}),
        json.dumps({**GOOD, "password_hash": 5}),
        json.dumps({"user": {"username": "me", "password_hash": "00", "password_salt": "00"}}),
    ],
)
def test_a_damaged_file_is_an_error_and_not_the_same_as_none(file: AccountFile, directory: Path, content: str) -> None:
    directory.mkdir()
    (directory / "auth.json").write_text(content, "utf-8")
    with pytest.raises(ConfigFileError, match=r"auth\.json"):
        file.load()
    assert (directory / "auth.json").read_text("utf-8") == content


def test_a_link_that_leads_nowhere_is_not_the_same_as_none(file: AccountFile, directory: Path) -> None:
    directory.mkdir()
    (directory / "auth.json").symlink_to(directory / "gone.json")
    with pytest.raises(ConfigFileError):
        file.load()


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [("", "x", "username"), ("  ", "x", "username"), ("a\nb", "x", "username"), ("a" * 129, "x", "username"),
     ("me", "", "password"), ("me", "x" * 1025, "password")],
)  # fmt: skip
def test_a_name_and_a_password_have_bounds(username: str, password: str, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        new_account(username, password, CHEAP)
    assert caught.value.field == field
