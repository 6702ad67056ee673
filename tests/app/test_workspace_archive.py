"""Packing a workspace, and unpacking what a stranger may have made."""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from copaw.app.workspace_archive import Bounds, members, packed, unpack
from copaw.errors import BadInput, PayloadTooLarge

SMALL = Bounds(max_files=5, max_bytes=1000)


def archive_of(files: dict[str, bytes], **fields: int) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for field, value in fields.items():
                setattr(info, field, value)
            archive.writestr(info, content)
    return data


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "target"
    made.mkdir()
    return made


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_what_was_packed_is_unpacked_the_same(tmp_path: Path, target: Path) -> None:
    root = tmp_path / "root"
    (root / "memory" / "deep").mkdir(parents=True)
    (root / "AGENTS.md").write_text("Grüße")
    (root / "memory" / "deep" / "Notiz ü.md").write_bytes(os.urandom(700_000))
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    data = io.BytesIO(b"".join(packed(members(root))))
    assert zipfile.ZipFile(data).testzip() is None
    assert sorted(unpack(data, target)) == ["AGENTS.md", "memory/deep/Notiz ü.md", "run.sh"]
    assert files_below(target) == files_below(root)
    assert (target / "run.sh").stat().st_mode & stat.S_IXUSR


def test_links_sockets_locks_secrets_and_half_written_files_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "r"
    (root / "secret").mkdir(parents=True)
    (root / "secret" / "key.json").write_text("{}")
    for name in ("kept.txt", "copaw.lock", ".0123456789abcdef.tmp", ".hidden"):
        (root / name).write_text("x")
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(root)
        listening.bind("sock")
        assert [member.name for member in members(root, excluded=[root / "secret"])] == [".hidden", "kept.txt"]


def test_packing_is_bounded_and_lives_with_a_file_that_goes_meanwhile(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("x" * 100)
    found = members(tmp_path, bounds=SMALL)
    (tmp_path / "1.txt").unlink()
    packed_names = zipfile.ZipFile(io.BytesIO(b"".join(packed(found)))).namelist()
    assert packed_names == ["0.txt", "2.txt", "3.txt"]
    (tmp_path / "large.txt").write_text("x" * 1000)
    with pytest.raises(PayloadTooLarge):
        members(tmp_path, bounds=SMALL)


def test_a_file_that_is_replaced_while_it_is_packed_is_whole(tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (tmp_path / "a.bin").write_bytes(content)
    pieces = packed(members(tmp_path))
    data = next(pieces)
    (tmp_path / "b.tmp").write_bytes(b"new")
    (tmp_path / "b.tmp").replace(tmp_path / "a.bin")
    data += b"".join(pieces)
    assert zipfile.ZipFile(io.BytesIO(data)).read("a.bin") == content


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("..\\x", "leads out"),
        ("/etc/x", "absolute"),
        ("\\etc\\x", "absolute"),
        ("C:\\x", "absolute"),
        ("a//b", "no file should have"),
        ("a/./b", "no file should have"),
        ("a\nb", "no file should have"),
        ("d/" * 40 + "x", "no file should have"),
        ("x" * 300, "too long"),
    ],
)
def test_a_name_that_could_lie_elsewhere_is_refused(target: Path, name: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as caught:
        unpack(archive_of({"fine.txt": b"x", name: b"x"}), target)
    assert caught.value.field == "file"
    assert files_below(target.parent) == {}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_link_or_a_device_is_refused(target: Path, kind: int) -> None:
    with pytest.raises(BadInput, match="link or a device"):
        unpack(archive_of({"x": b"/etc/passwd"}, external_attr=(kind | 0o777) << 16), target)


def test_files_that_get_in_each_others_way_are_refused(target: Path) -> None:
    with pytest.raises(BadInput, match="lies in a file"):
        unpack(archive_of({"a/b": b"x", "a": b"x"}), target)
    twice = archive_of({"a": b"1", "b": b"2"}).getvalue().replace(b"b", b"a")
    with pytest.raises(BadInput, match="twice"):
        unpack(io.BytesIO(twice), target)


def test_count_and_size_are_bounded_before_anything_is_written(target: Path) -> None:
    for files in ({f"{n}": b"" for n in range(6)}, {"bomb": b"\0" * 1001}):
        with pytest.raises(PayloadTooLarge):
            unpack(archive_of(files), target, SMALL)
    assert files_below(target) == {}


def test_a_size_that_is_a_lie_is_noticed(target: Path) -> None:
    data = bytearray(archive_of({"bomb": b"\0" * 100_000}).getvalue())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = data.find(signature) + offset
        data[at : at + 4] = struct.pack("<L", 10)
    with pytest.raises(BadInput):
        unpack(io.BytesIO(bytes(data)), target, SMALL)
    assert sum(len(content) for content in files_below(target).values()) <= 10


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(target: Path) -> None:
    data = bytearray(archive_of({"a": b"x"}).getvalue())
    padding = 2 * 1024 * 1024
    at = data.rfind(b"PK\5\6")
    data[at + 12 : at + 20] = struct.pack("<LL", padding, 0)
    with pytest.raises(PayloadTooLarge):
        unpack(io.BytesIO(b"\0" * padding + bytes(data)), target, SMALL)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\3\4" * 100])
def test_what_is_no_archive_is_refused(target: Path, data: bytes) -> None:
    with pytest.raises(BadInput, match="no ZIP archive"):
        unpack(io.BytesIO(data), target)


def test_an_empty_archive_has_no_files(target: Path) -> None:
    assert unpack(archive_of({}), target) == []


def test_a_damaged_archive_is_refused(target: Path) -> None:
    whole = archive_of({"a": os.urandom(1000)}).getvalue()
    for broken in (whole[:500], whole[:100] + b"\xff" * 50 + whole[150:]):
        with pytest.raises(BadInput):
            unpack(io.BytesIO(broken), target)


def test_an_encrypted_archive_is_refused(target: Path) -> None:
    data = bytearray(archive_of({"a": b"x"}).getvalue())
    data[data.find(b"PK\1\2") + 8] |= 1
    with pytest.raises(BadInput, match="encrypted"):
        unpack(io.BytesIO(bytes(data)), target)


def test_one_folder_around_a_workspace_is_looked_into_and_litter_is_left_out(target: Path) -> None:
    files = {"mine/agent.json": b"{}", "mine/memory/a.md": b"x", "__MACOSX/mine/._a": b"x", "mine/.DS_Store": b"x"}
    assert sorted(unpack(archive_of(files), target)) == ["agent.json", "memory/a.md"]


def test_one_folder_that_is_part_of_a_workspace_stays(target: Path) -> None:
    assert unpack(archive_of({"memory/a.md": b"x"}), target) == ["memory/a.md"]
