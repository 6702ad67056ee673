from __future__ import annotations

import json
import re
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from copaw.aiokits.files import (
    decode_json,
    encode_json,
    read_json,
    set_aside,
    set_aside_as_backup,
    write_atomic,
    write_json_atomic,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def no_room() -> Iterator[None]:
    """Files of this process cannot grow beyond 64 bytes, as on a full disk. Not a fixture: pytest writes, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestWriteAtomic:
    def test_it_replaces_the_content_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("old")
        write_atomic(path, "new äöü")
        assert path.read_bytes() == "new äöü".encode()
        assert list(tmp_path.iterdir()) == [path]

    def test_it_makes_parent_directories(self, tmp_path: Path) -> None:
        write_atomic(tmp_path / "x" / "y" / "z.bin", b"\x00\xff")
        assert (tmp_path / "x" / "y" / "z.bin").read_bytes() == b"\x00\xff"

    def test_an_existing_file_keeps_its_mode(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("old")
        path.chmod(0o640)
        write_atomic(path, "new")
        assert mode_of(path) == 0o640

    def test_a_given_mode_wins_over_that_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("old")
        path.chmod(0o666)
        write_atomic(path, "new", mode=0o600)
        assert mode_of(path) == 0o600

    def test_a_new_file_is_never_writable_for_others(self, tmp_path: Path) -> None:
        write_atomic(tmp_path / "a", "new")
        assert mode_of(tmp_path / "a") & 0o133 == 0

    def test_a_full_disk_leaves_the_old_file_and_no_temporary(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("old")
        with no_room(), pytest.raises(OSError):
            write_atomic(path, b"x" * 1000)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_failed_rename_leaves_no_temporary(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(OSError):
            write_atomic(tmp_path / "a", "new")
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    def test_a_symbolic_link_stays_one(self, tmp_path: Path) -> None:
        target, link = tmp_path / "real", tmp_path / "link"
        target.write_text("old")
        link.symlink_to(target)
        write_atomic(link, "new")
        assert link.is_symlink()
        assert target.read_text() == "new"

    def test_a_name_as_long_as_names_can_be_is_fine(self, tmp_path: Path) -> None:
        path = tmp_path / ("n" * 255)
        write_atomic(path, "new")
        assert path.read_text() == "new"


class TestJson:
    def test_it_is_indented_and_readable(self, tmp_path: Path) -> None:
        write_json_atomic(tmp_path / "a.json", {"名": [1, None]})
        assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "名": [\n    1,\n    null\n  ]\n}'

    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        value = {"a": [1, 2.5, "é", None, True], "b": {}}
        write_json_atomic(tmp_path / "a.json", value)
        assert read_json(tmp_path / "a.json") == value

    def test_half_an_emoji_survives(self) -> None:
        value = {"text": "cut \ud83d"}
        assert decode_json(encode_json(value)) == value

    @pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}])
    def test_what_json_cannot_hold_leaves_the_file_alone(self, tmp_path: Path, value: object) -> None:
        path = tmp_path / "a.json"
        path.write_text("{}")
        with pytest.raises((TypeError, ValueError)):
            write_json_atomic(path, value)
        assert path.read_text() == "{}"

    def test_a_byte_order_mark_is_tolerated(self) -> None:
        assert decode_json(b"\xef\xbb\xbf" + json.dumps([1]).encode()) == [1]

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "empty"),
            (b" \n", "empty"),
            (b'{"a": 1', "line 1, column 8"),
            (b'{"a": "\xe4"}', "not UTF-8 text: byte 7 is 0xe4"),
            (b'{"a": NaN}', "NaN is not a JSON number"),
            (b"[" * 100_000, "nested too deeply"),
        ],
    )
    def test_damage_is_named(self, data: bytes, sentence: str) -> None:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            decode_json(data)

    def test_a_missing_file_is_no_damage(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_json(tmp_path / "none.json")


class TestSetAside:
    def test_the_file_gets_a_name_with_the_time(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text("torn")
        kept = set_aside(path)
        assert not path.exists()
        assert kept.read_text() == "torn"
        assert re.fullmatch(r"a\.json\.damaged-\d{8}T\d{6}\.\d{6}Z(-\d+)?", kept.name)

    def test_nothing_is_ever_overwritten(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        for number in range(20):
            path.write_text(str(number))
            set_aside(path, "replaced")
        assert sorted(int(kept.read_text()) for kept in tmp_path.glob("a.json.replaced-*")) == list(range(20))

    def test_there_must_be_something_to_set_aside(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            set_aside(tmp_path / "none")
        assert list(tmp_path.iterdir()) == []

    def test_backups_are_numbered(self, tmp_path: Path) -> None:
        path = tmp_path / "a.md"
        for text in ("first", "second", "third"):
            path.write_text(text)
            set_aside_as_backup(path)
        found = {kept.name: kept.read_text() for kept in tmp_path.iterdir()}
        assert found == {"a.md.bak": "first", "a.md.bak1": "second", "a.md.bak2": "third"}


def test_a_key_that_is_there_twice_is_named() -> None:
    content = b'{"a": {"b": 1, "c": 2, "b": 3}}'
    with pytest.raises(ValueError, match="'b' is there twice in one object"):
        decode_json(content)
    assert decode_json(content, unique_keys=False) == {"a": {"b": 3, "c": 2}}
