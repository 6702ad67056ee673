from __future__ import annotations

from typing import Any

import pytest

from copaw.app.callers import bearer_token, from_this_machine


def scope(*headers: tuple[bytes, bytes], **fields: Any) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), **fields}


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer abc", "abc"),
        (b"BEARER   abc ", "abc"),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"", None),
        (b"abc", None),
        (b"Basic abc", None),
        (b"Bearer\tabc", None),
        (b"Bearer \xff", "\xff"),
    ],
)
def test_the_token_of_a_header(value: bytes, token: str | None) -> None:
    assert bearer_token(scope((b"authorization", value))) == token


def test_two_headers_are_no_header() -> None:
    header = (b"authorization", b"Bearer abc")
    assert bearer_token(scope(header, header)) is None
    assert bearer_token(scope()) is None


@pytest.mark.parametrize(
    ("client", "server", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.0.1", "0.0.0.0", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("::ffff:192.0.2.7", "::", False),
        ("localhost", "localhost", False),
        ("", "", False),
    ],
)
def test_who_is_on_this_machine(client: str, server: str, here: bool) -> None:
    assert from_this_machine(scope(client=(client, 5), server=(server, 80))) is here


def test_a_caller_without_an_address_is_not() -> None:
    assert not from_this_machine(scope(client=None, server=None))
    assert not from_this_machine(scope())
