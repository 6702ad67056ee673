from __future__ import annotations

import base64
import json
from dataclasses import replace

import jwt
import pytest

from copaw.security.account import Account, new_account, new_key
from copaw.security.passwords import ScryptCost
from copaw.security.tokens import LIFETIME_S, is_valid_token, issue_token

NOW_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def account() -> Account:
    return new_account("me", "secret", ScryptCost(log2_n=4))


def test_a_token_is_good_until_it_expires(account: Account) -> None:
    token = issue_token(account, NOW_S)
    assert is_valid_token(token, account, NOW_S)
    assert is_valid_token(token, account, NOW_S + LIFETIME_S - 1)
    assert not is_valid_token(token, account, NOW_S + LIFETIME_S)
    assert is_valid_token(issue_token(account, NOW_S, 60), account, NOW_S + 59)
    assert not is_valid_token(issue_token(account, NOW_S, 60), account, NOW_S + 60)


def test_a_new_key_or_another_name_ends_it(account: Account) -> None:
    token = issue_token(account, NOW_S)
    assert not is_valid_token(token, replace(account, token_key=new_key()), NOW_S)
    assert not is_valid_token(token, replace(account, username="you"), NOW_S)


def test_no_byte_of_it_can_be_changed(account: Account) -> None:
    token = issue_token(account, NOW_S)
    for place in range(len(token)):
        # The last character of a part holds bits that mean nothing; the last but one has none.
        changed = "A" if token[place] != "A" else "B"
        forged = token[:place] + changed + token[place + 1 :]
        if base64.urlsafe_b64decode(forged.split(".")[-1] + "==") != base64.urlsafe_b64decode(
            token.split(".")[-1] + "=="
        ) or place < token.rindex("."):
            assert not is_valid_token(forged, account, NOW_S), place


def _part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def forgeries(account: Account) -> dict[str, str]:
    claims = {"sub": "me", "iat": int(NOW_S), "exp": int(NOW_S + 1000)}
    head, body, signature = issue_token(account, NOW_S).split(".")
    return {
        "empty": "",
        "words": "not a token",
        "dots": "..",
        "unsigned": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}.",
        "signature left out": f"{head}.{body}.",
        "none with signature": f"{_part({'alg': 'none'})}.{body}.{signature}",
        "foreign key": jwt.encode(claims, new_key(), algorithm="HS256"),
        "other algorithm": jwt.encode(claims, account.token_key * 2, algorithm="HS512"),
        "without end": jwt.encode({"sub": "me"}, account.token_key, algorithm="HS256"),
        "without name": jwt.encode({"exp": int(NOW_S + 10)}, account.token_key, algorithm="HS256"),
        "end in words": jwt.encode({"sub": "me", "exp": "never"}, account.token_key, algorithm="HS256"),
        "the key itself": account.token_key,
        "the hash": account.password_hash,
        "not ASCII": "ÿ.ÿ.ÿ",
        "surrogate": "\udcff",
        "huge": "a" * 100_000,
    }


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_what_was_not_issued_is_not_good(account: Account) -> None:
    good = [name for name, token in forgeries(account).items() if is_valid_token(token, account, NOW_S)]
    assert good == []
