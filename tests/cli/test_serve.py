from __future__ import annotations

import logging

import pytest

from copaw.cli.serve import HideTokens


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/tasks/1/events?token=abc.def", "/api/tasks/1/events?token=***"),
        ("/a?x=1&token=abc&y=2", "/a?x=1&token=***&y=2"),
        ("/a?token=", "/a?token="),
        ("/a?mytoken=abc", "/a?mytoken=abc"),
        ("/a", "/a"),
    ],
)
def test_the_access_log_has_no_token(path: str, shown: str) -> None:
    arguments = ("127.0.0.1:5", "GET", path, "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert HideTokens().filter(record)
    assert record.getMessage() == f'127.0.0.1:5 - "GET {shown} HTTP/1.1" 200'
