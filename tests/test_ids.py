"""Random identifiers."""

from __future__ import annotations

import os
import uuid

from copaw.ids import new_token, new_uuid


def test_each_is_another() -> None:
    assert len({new_uuid() for _ in range(2000)} | {new_token() for _ in range(2000)}) == 4000


def test_they_have_the_standard_form() -> None:
    parsed = uuid.UUID(new_uuid())
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
    assert len(bytes.fromhex(new_token())) == 16


def test_a_child_process_has_others() -> None:
    reading, writing = os.pipe()
    new_token()  # there is a stock now that both would go on with
    child = os.fork()
    if child == 0:
        os.write(writing, new_token().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 32).decode()
    os.close(reading)
    os.close(writing)
    assert theirs not in {new_token() for _ in range(300)}
