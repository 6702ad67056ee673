from __future__ import annotations

import os
from pathlib import Path

import pytest

from copaw.errors import BadInput, NotFound
from copaw.ports import ToolContext
from copaw.tools.locate import existing_file, printable, resolve, shown


def test_relative_paths_start_at_the_workspace(context: ToolContext, workspace: Path) -> None:
    assert resolve(context, "a/../b.txt") == workspace / "b.txt"
    assert resolve(context, "/etc/hosts") == Path("/etc/hosts")


def test_the_home_directory_expands(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert resolve(context, "~/notes") == Path("/home/ann/notes")


@pytest.mark.parametrize("raw", ["a\0b", "~no_such_user_here/x"])
def test_what_cannot_be_a_path_is_bad_input(context: ToolContext, raw: str) -> None:
    with pytest.raises(BadInput):
        resolve(context, raw)


def test_paths_are_shown_relative_inside_of_the_workspace_only(context: ToolContext, workspace: Path) -> None:
    assert shown(context, workspace / "a" / "b") == "a/b"
    assert shown(context, Path("/etc/hosts")) == "/etc/hosts"


def test_a_name_that_is_not_utf8_can_be_sent() -> None:
    printable(os.fsdecode(b"a\xff")).encode("utf-8")


def test_a_missing_file_brings_near_names(context: ToolContext, workspace: Path) -> None:
    for name in ("report.txt", "readme.md", "Report_final.txt"):
        (workspace / name).touch()
    with pytest.raises(NotFound, match=r"Did you mean: report\.txt"):
        existing_file(context, "reprot.txt")
    with pytest.raises(NotFound, match=r"has a similar name"):
        existing_file(context, "zzz")
    with pytest.raises(NotFound, match=rf"The nearest directory that exists is {workspace}\."):
        existing_file(context, "no/such/file")
    with pytest.raises(NotFound, match=r"The nearest directory"):
        existing_file(context, "report.txt/below")


def test_directories_and_devices_are_no_files(context: ToolContext) -> None:
    with pytest.raises(BadInput, match="is a directory"):
        existing_file(context, ".")
    with pytest.raises(BadInput, match="not a regular file"):
        existing_file(context, "/dev/null")
