from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from copaw.errors import BadInput
from copaw.ports import ToolResult
from copaw.tools.edit_file import replace_text

Call = Callable[..., Awaitable[ToolResult]]
TEXTS = st.text("ab\n é", max_size=20)
PIECES = st.text("ab\n é", min_size=1, max_size=4)


def names_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def overlapping(text: str, piece: str) -> int:
    return sum(text.startswith(piece, at) for at in range(len(text)))


@given(TEXTS, PIECES, TEXTS, TEXTS)
def test_one_occurrence_is_replaced_and_nothing_else(before: str, old: str, after: str, new: str) -> None:
    text = before + old + after
    assume(old != new and overlapping(text, old) == 1)
    assert replace_text(text, old, new) == (before + new + after, 1)


@given(TEXTS, PIECES, TEXTS)
def test_any_other_number_is_refused_unless_all_are_meant(text: str, old: str, new: str) -> None:
    assume(old != new)
    count = overlapping(text, old)
    if count != 1:
        with pytest.raises(BadInput, match=f"occurs {count} times" if count else "does not occur"):
            replace_text(text, old, new)
    if count:
        assert replace_text(text, old, new, replace_all=True) == (text.replace(old, new), text.count(old))


@given(TEXTS, PIECES, TEXTS, TEXTS)
def test_crlf_files_stay_crlf_files(before: str, old: str, after: str, new: str) -> None:
    assume(old != new)
    text = f"{before}{old}\n{after}"
    edited = replace_text(text.replace("\n", "\r\n"), old, new, replace_all=True).text
    assert edited == text.replace(old, new).replace("\n", "\r\n")


def test_in_a_file_of_mixed_endings_the_exact_text_is_tried_first() -> None:
    assert replace_text("a\nb\r\nc", "a\nb", "x\ny").text == "x\ny\r\nc"
    assert replace_text("a\nb\r\nc", "b\nc", "x\ny").text == "a\nx\r\ny"


def test_an_ambiguous_text_is_refused_with_its_lines() -> None:
    with pytest.raises(BadInput, match="occurs 3 times, on lines 1, 3, 4"):
        replace_text("x\ny\nx\nx", "x", "z")
    with pytest.raises(BadInput, match="occurs more than 1000 times, on line 1 and more"):
        replace_text("a" * 5000, "a", "b")


def test_a_text_that_differs_in_white_space_only_is_pointed_at() -> None:
    with pytest.raises(BadInput, match="Line 2 is like its first line"):
        replace_text("def f():\n    return  1\n", "\treturn 1\n", "\treturn 2\n")


def test_an_edit_that_changes_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="new_text"):
        replace_text("a", "a", "a")


async def test_a_file_keeps_its_mode_and_its_foreign_bytes(call: Call, workspace: Path) -> None:
    path = workspace / "latin.sh"
    path.write_bytes(b"caf\xe9 one\r\ntwo\r\n")
    path.chmod(0o755)
    result = await call("edit_file", file_path="latin.sh", old_text="one\ntwo", new_text="1\n2\n3")
    assert result == ToolResult.text("Replaced the text once in latin.sh.")
    assert path.read_bytes() == b"caf\xe9 1\r\n2\r\n3\r\n"
    assert path.stat().st_mode & 0o777 == 0o755


async def test_edits_at_the_same_time_are_all_kept(call: Call, workspace: Path) -> None:
    names = [f"<{number}>" for number in range(8)]
    (workspace / "list").write_text("\n".join(names))
    edits = [call("edit_file", file_path="list", old_text=name, new_text=name + "!") for name in names]
    assert not any(result.is_error for result in await asyncio.gather(*edits))
    assert (workspace / "list").read_text() == "\n".join(name + "!" for name in names)


async def test_a_refused_edit_leaves_the_file_alone(call: Call, workspace: Path) -> None:
    path = workspace / "a.txt"
    path.write_text("x x")
    before = path.stat()
    for old in ("x", "nothing", ""):
        assert (await call("edit_file", file_path="a.txt", old_text=old, new_text="y")).is_error
    assert path.stat() == before
    assert names_in(workspace) == ["a.txt"]


async def test_missing_and_binary_files_are_errors(call: Call, workspace: Path) -> None:
    (workspace / "b.bin").write_bytes(b"a\0a")
    for name, expected in [("b.bin", "binary"), ("c.bin", "Did you mean: b.bin")]:
        result = await call("edit_file", file_path=name, old_text="a", new_text="b")
        assert result.is_error
        assert expected in result.content[0]["text"]


async def test_replace_all_tells_how_many(call: Call, workspace: Path) -> None:
    (workspace / "a").write_text("x x x")
    result = await call("edit_file", file_path="a", old_text="x", new_text="", replace_all=True)
    assert result == ToolResult.text("Replaced the text 3 times in a.")
    assert (workspace / "a").read_text() == "  "
