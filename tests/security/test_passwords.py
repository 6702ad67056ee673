from __future__ import annotations

import base64
import hashlib

import pytest

from copaw.security.passwords import DEFAULT_COST, ScryptCost, hash_password, impossible_hash, verify_password

CHEAP = ScryptCost(log2_n=4)


@pytest.mark.parametrize("password", ["secret", " with space ", "pässwörd", "密码", "\ud83d", "x" * 1024])
def test_a_password_is_verified_and_another_is_not(password: str) -> None:
    stored = hash_password(password, CHEAP)
    assert verify_password(password, stored)
    assert not verify_password(password + "x", stored)
    assert not verify_password("", stored)


def test_equal_passwords_do_not_look_equal_and_are_not_in_the_string() -> None:
    one, other = (hash_password("secret", CHEAP) for _ in range(2))
    assert one != other
    assert "secret" not in one


def test_the_string_says_what_it_cost_so_that_the_default_may_change() -> None:
    stored = hash_password("secret", ScryptCost(log2_n=5, r=4, p=2))
    assert stored.startswith("$scrypt$ln=5,r=4,p=2$")
    assert verify_password("secret", stored)


def test_it_is_scrypt_as_the_standard_library_has_it() -> None:
    made = hashlib.scrypt(b"pw", salt=b"saltsaltsaltsalt", n=16, r=8, p=1, dklen=32)
    encoded = base64.b64encode(made).decode().rstrip("=")
    assert verify_password("pw", f"$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA${encoded}")


def test_the_hash_of_nobody_looks_like_any_and_fits_nothing() -> None:
    stored = impossible_hash(CHEAP)
    assert len(stored) == len(hash_password("x", CHEAP))
    assert stored != impossible_hash(CHEAP)
    for password in ("", "x", stored):
        assert not verify_password(password, stored)


def test_the_default_needs_memory() -> None:
    assert 128 * DEFAULT_COST.r * 2**DEFAULT_COST.log2_n >= 32 * 1024 * 1024
    assert verify_password("secret", hash_password("secret"))


@pytest.mark.parametrize(
    "stored",
    ["", "secret", "$scrypt$", "$scrypt$ln=4,r=8,p=1$$", "$scrypt$ln=4,r=8,p=1$AAAA$A", "$argon2id$v=19$m=1$AAAA$AAAA"],
)
def test_what_is_no_hash_is_an_error_and_never_a_match(stored: str) -> None:
    with pytest.raises(ValueError):
        verify_password("secret", stored)


def test_a_hash_that_would_take_all_memory_is_an_error() -> None:
    with pytest.raises(ValueError):
        verify_password("secret", "$scrypt$ln=30,r=8,p=1$AAAA$AAAA")
