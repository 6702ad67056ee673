from __future__ import annotations

import pytest

from copaw.app.runner.request import parse_request
from copaw.errors import BadInput

INPUT = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ({"session_id": "a\0b"}, "session_id"),
        ({"session_id": "s", "user_id": "\0"}, "user_id"),
        ({"session_id": "s" * 300}, "session_id"),
        ({"session_id": "s" * 130, "user_id": "u" * 130}, "session_id"),
        ({"session_id": "/" * 130, "user_id": "u"}, "session_id"),
    ],
)
def test_who_cannot_be_the_name_of_a_file_is_refused_by_name(names: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_request({"input": INPUT, **names})
    assert caught.value.field == field


def test_names_of_other_languages_and_with_separators_are_fine() -> None:
    request = parse_request({"input": INPUT, "session_id": "console:1/2", "user_id": "用户"})
    assert (request.session_id, request.user_id) == ("console:1/2", "用户")
