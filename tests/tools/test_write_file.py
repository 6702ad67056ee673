from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from copaw.ports import ToolResult

Call = Callable[..., Awaitable[ToolResult]]


def names_below(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*"))


async def test_a_new_file_gets_its_directories_and_the_size_is_told(call: Call, workspace: Path) -> None:
    result = await call("write_file", file_path="a/b/c.txt", content="é\r\n")
    assert result == ToolResult.text("Wrote 4 bytes to a/b/c.txt.")
    assert (workspace / "a/b/c.txt").read_bytes() == "é\r\n".encode()
    assert names_below(workspace / "a/b") == ["c.txt"]


async def test_an_existing_file_keeps_its_mode_and_a_link_stays_a_link(call: Call, workspace: Path) -> None:
    script = workspace / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    (workspace / "link").symlink_to("run.sh")
    assert not (await call("write_file", file_path="link", content="new")).is_error
    assert script.read_text() == "new"
    assert script.stat().st_mode & 0o777 == 0o750
    assert (workspace / "link").is_symlink()


async def test_what_cannot_be_written_is_an_error_and_leaves_nothing(call: Call, workspace: Path) -> None:
    (workspace / "file").write_text("x")
    (workspace / "dir").mkdir()
    for path in ("dir", "file/below", "n" * 300, "/dev/null"):
        assert (await call("write_file", file_path=path, content="y")).is_error
    assert names_below(workspace) == ["dir", "file"]


async def test_empty_content_makes_an_empty_file(call: Call, workspace: Path) -> None:
    assert not (await call("write_file", file_path="empty", content="")).is_error
    assert (workspace / "empty").read_bytes() == b""
