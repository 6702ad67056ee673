from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from copaw.config.secrets import SecretFiles
from copaw.security.account import Account, AccountFile, new_account
from copaw.security.passwords import ScryptCost, verify_password
from copaw.security.tokens import is_valid_token, issue_token


@pytest.fixture
def file(home: Path, tmp_path: Path) -> AccountFile:
    return AccountFile(SecretFiles(tmp_path / "secret"))


@pytest.fixture
def account(file: AccountFile) -> Account:
    made = new_account("me", "secret", ScryptCost(log2_n=4))
    file.save(made)
    return made


def test_a_reset_sets_the_password_and_ends_every_token(run, file: AccountFile, account: Account) -> None:
    before = issue_token(account, time.time())
    result = run("auth", "reset-password", input="new one\n")
    assert result.exit_code == 0, result.output
    now = file.load()
    assert now is not None
    assert now.username == "me"
    assert verify_password("new one", now.password_hash)
    assert not is_valid_token(before, now, time.time())
    assert "new one" not in result.output


@pytest.mark.parametrize("typed", ["", "\n"])
def test_no_password_changes_nothing(run, file: AccountFile, account: Account, typed: str) -> None:
    result = run("auth", "reset-password", input=typed)
    assert result.exit_code == 2
    assert "password" in result.stderr.lower()
    assert file.load() == account


@pytest.mark.parametrize("command", ["reset-password", "token"])
def test_nobody_registered_is_told_with_the_way_to_register(run, home: Path, command: str) -> None:
    result = run("auth", command, input="x\n")
    assert result.exit_code == 1
    assert "COPAW_AUTH_ENABLED" in result.stderr


def test_a_damaged_file_is_set_aside_and_replaced(run, file: AccountFile, tmp_path: Path) -> None:
    path = tmp_path / "secret" / "auth.json"
    path.parent.mkdir()
    path.write_text('{"user": {"username": "old"}}')
    result = run("auth", "reset-password", input="me\nnew\n")
    assert result.exit_code == 0, result.output
    now = file.load()
    assert now is not None
    assert (now.username, verify_password("new", now.password_hash)) == ("me", True)
    (kept,) = path.parent.glob("auth.json.damaged-*")
    assert json.loads(kept.read_text()) == {"user": {"username": "old"}}
    assert str(kept) in result.stderr


def test_a_damaged_file_is_left_alone_when_no_password_comes(run, file: AccountFile, tmp_path: Path) -> None:
    path = tmp_path / "secret" / "auth.json"
    path.parent.mkdir()
    path.write_text("{")
    assert run("auth", "reset-password", input="me\n").exit_code == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["auth.json"]


def test_a_token_is_printed_alone_and_lasts_as_long_as_asked(run, account: Account) -> None:
    result = run("auth", "token", "--days", "0.5")
    assert result.exit_code == 0
    token = result.stdout.strip()
    assert is_valid_token(token, account, time.time() + 11 * 3600)
    assert not is_valid_token(token, account, time.time() + 13 * 3600)
    assert is_valid_token(run("auth", "token").stdout.strip(), account, time.time() + 29 * 86400)


@pytest.mark.parametrize("days", ["0", "-1", "x"])
def test_a_token_needs_a_time(run, account: Account, days: str) -> None:
    assert run("auth", "token", "--days", days).exit_code == 2


def test_a_token_of_a_damaged_file_is_refused(run, file: AccountFile, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "auth.json").write_text("{")
    result = run("auth", "token")
    assert result.exit_code == 1
    assert "auth.json" in result.stderr
