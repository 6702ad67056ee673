from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.tools.walk import glob_regex, walk


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", ["a.py", ".py"], ["a/b.py", "a.pyc"]),
        ("**/*.py", ["a.py", "a/b.py", "a/b/c.py"], ["a/b.txt"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["a/bz", "az"]),
        ("?.t[xy]t", ["a.txt", "b.tyt"], ["ab.txt", "a.tzt"]),
        ("[!a]*", ["b", "bc"], ["a", "ab", "b/c"]),
        ("*.{js,ts*}", ["a.js", "a.tsx"], ["a.css"]),
        ("a+b(c)$", ["a+b(c)$"], ["aab(c)"]),
        ("[ab", ["[ab"], ["a"]),
        ("./x//y", ["x/y"], ["x"]),
        ("[+--]", ["+", "-"], ["x"]),
        ("[[]", ["["], ["]"]),
    ],
)
def test_patterns_match_whole_relative_paths(pattern: str, yes: list[str], no: list[str]) -> None:
    expression = re.compile(glob_regex(pattern))
    assert [path for path in [*yes, *no] if expression.match(path)] == yes


@given(st.text("ab*?[]{},!-^/\\.(", max_size=12))
def test_no_pattern_breaks_the_translation(pattern: str) -> None:
    with contextlib.suppress(re.error):  # [b-a]
        re.compile(glob_regex(pattern))


def test_the_walk_is_sorted_prunes_and_does_not_follow_links(tmp_path: Path) -> None:
    for name in ("b/x", "a/y", ".git/config", "node_modules/m", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = list(walk(str(tmp_path), go_on=lambda: True))
    assert found == [("a", True), ("b", True), ("c", False), ("loop", False), ("a/y", False), ("b/x", False)]
    assert ("a/y", False) not in list(walk(str(tmp_path), depth=1, go_on=lambda: True))
    assert list(walk(str(tmp_path), go_on=lambda: False)) == []
    assert list(walk(str(tmp_path / "missing"), go_on=lambda: True)) == []
