from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.ports import ToolResult
from copaw.tools.read_file import LIMIT_BYTES, take_lines

Call = Callable[..., Awaitable[ToolResult]]


@pytest.fixture
def poem(workspace: Path) -> str:
    (workspace / "poem.txt").write_text("one\ntwo\nthree\nfour", encoding="utf-8")
    return "poem.txt"


def text(result: ToolResult) -> str:
    return str(result.content[0]["text"])


async def test_a_whole_file_comes_back_as_it_is(call: Call, poem: str) -> None:
    assert await call("read_file", file_path=poem) == ToolResult.text("one\ntwo\nthree\nfour")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(2, 3, "two\nthree\n"), (3, None, "three\nfour"), (None, 1, "one\n"), (4, 4, "four"), (2, 99, "two\nthree\nfour")],
)
async def test_lines_are_counted_from_one_and_both_ends_belong(
    call: Call, poem: str, start: int | None, end: int | None, expected: str
) -> None:
    assert await call("read_file", file_path=poem, start_line=start, end_line=end) == ToolResult.text(expected)


async def test_a_start_behind_the_end_says_how_many_lines_there_are(call: Call, poem: str, workspace: Path) -> None:
    assert text(await call("read_file", file_path=poem, start_line=5)).endswith("has only 4 lines.")
    (workspace / "ended.txt").write_text("one\ntwo\n")
    assert text(await call("read_file", file_path="ended.txt", start_line=3)).endswith("has only 2 lines.")


@pytest.mark.parametrize("arguments", [{"start_line": 0}, {"end_line": -1}, {"start_line": 3, "end_line": 2}])
async def test_bad_line_numbers_are_refused(call: Call, poem: str, arguments: dict[str, int]) -> None:
    result = await call("read_file", file_path=poem, **arguments)
    assert result.is_error
    assert "_line" in text(result)


async def test_a_long_file_comes_in_parts_that_join_to_the_whole(call: Call, workspace: Path) -> None:
    content = "".join(f"line {number} {'x' * 50}\n" for number in range(1, 5000))
    (workspace / "long.txt").write_text(content)
    parts, start = [], 1
    while True:
        part = text(await call("read_file", file_path="long.txt", start_line=start))
        assert len(part) < LIMIT_BYTES + 200
        if not part.endswith("]"):
            break
        body, _, notice = part.rpartition("\n[Lines ")
        parts.append(body)
        start = int(notice.removesuffix(".]").rpartition("=")[2])
    assert "".join([*parts, part]) == content
    assert len(parts) > 2


async def test_a_huge_line_is_cut_and_the_next_one_can_be_reached(call: Call, workspace: Path) -> None:
    (workspace / "huge.txt").write_text("z" * 500_000 + "\nnext\n")
    first = text(await call("read_file", file_path="huge.txt"))
    assert f"only its first {LIMIT_BYTES} bytes are shown" in first
    assert "start_line=2" in first
    assert text(await call("read_file", file_path="huge.txt", start_line=2)) == "next\n"


async def test_line_endings_bom_and_foreign_bytes_are_made_readable(call: Call, workspace: Path) -> None:
    (workspace / "dos.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\xff\r\n")
    assert text(await call("read_file", file_path="dos.txt")) == "a\nb\ufffd\n"


async def test_an_empty_file_says_so(call: Call, workspace: Path) -> None:
    (workspace / "empty").touch()
    assert await call("read_file", file_path="empty") == ToolResult.text("[The file is empty.]")


async def test_binary_missing_and_directory_are_errors(call: Call, workspace: Path) -> None:
    (workspace / "data.bin").write_bytes(b"a\0b")
    for name, expected in [("data.bin", "binary"), ("date.bin", "Did you mean: data.bin"), (".", "is a directory")]:
        result = await call("read_file", file_path=name)
        assert result.is_error
        assert expected in text(result)


@given(st.lists(st.text("ab é", max_size=9)), st.integers(1, 30), st.none() | st.integers(1, 9))
def test_what_is_taken_is_a_beginning_within_the_limit(lines: list[str], limit: int, last: int | None) -> None:
    content = "\n".join(lines).encode()
    excerpt = take_lines(io.BytesIO(content), 1, last, limit)
    assert content.startswith(excerpt.data)
    assert len(excerpt.data) <= limit
    if not excerpt.more:
        assert excerpt.data == b"".join(content.splitlines(keepends=True)[:last])
