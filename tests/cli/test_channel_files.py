from __future__ import annotations

from pathlib import Path

import pytest

from copaw.app.channels.custom import CustomChannels
from copaw.cli import channel_files
from copaw.errors import BadInput, Conflict
from copaw.paths import Paths

SOURCE = b'from copaw.app.channels.base import BaseChannel\nclass A(BaseChannel):\n    channel = "mine"\n'


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(working_dir=tmp_path / "copaw", secret_dir=tmp_path / "secret")


def test_the_beginning_of_a_channel_can_be_loaded(paths: Paths) -> None:
    made = channel_files.install_source(paths, "my-own", channel_files.template("my-own"), "x")
    custom = CustomChannels(channel_files.directory(paths))
    custom.scan()
    assert [(file.problem, [cls.channel for cls in file.channels]) for file in custom.files.values()] == [
        ("", ["my-own"])
    ]
    assert made.name == "my-own.py"


def test_a_file_is_checked_without_running_it(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "given.py"
    file.write_bytes(SOURCE + b"raise SystemExit('run')\n")
    assert channel_files.install_path(paths, "mine", file).read_bytes() == file.read_bytes()


def test_a_package_comes_with_all_its_files(paths: Paths, tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    (package / "sub" / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_bytes(SOURCE.replace(b'= "mine"', b': str = "mine"'))
    (package / "sub" / "data.txt").write_text("x")
    (package / "sub" / "__pycache__" / "old.pyc").write_text("x")
    target = channel_files.install_path(paths, "mine", package)
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == [
        "__init__.py",
        "sub",
        "sub/data.txt",
    ]
    assert [path.name for path in channel_files.directory(paths).iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"class A:", "is no Python file"),
        (b"\0", "is no Python file"),
        (b"x = 1", "a class with channel"),
        (SOURCE.replace(b"mine", b"other"), "it defines other"),
    ],
)
def test_what_does_not_define_the_channel_is_refused(paths: Paths, source: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        channel_files.install_source(paths, "mine", source, "given.py")
    assert not channel_files.directory(paths).exists()


@pytest.mark.parametrize("key", ["../up", "a/b", "", ".hidden", "1st", "x" * 65])
def test_a_key_is_a_plain_name(key: str) -> None:
    with pytest.raises(BadInput):
        channel_files.check_key(key)


def test_the_key_of_a_channel_of_copaw_is_taken() -> None:
    with pytest.raises(Conflict, match="comes with copaw"):
        channel_files.check_key("console")


def test_one_that_is_there_is_not_overwritten_whatever_its_file_is_called(paths: Paths) -> None:
    root = channel_files.directory(paths)
    root.mkdir(parents=True)
    (root / "named_otherwise.py").write_bytes(SOURCE)
    with pytest.raises(Conflict, match="named_otherwise"):
        channel_files.install_source(paths, "mine", SOURCE, "x")
    assert channel_files.remove(paths, "mine") == [root / "named_otherwise.py"]


def test_a_package_with_a_link_or_too_large_is_refused(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_bytes(SOURCE)
    monkeypatch.setattr(channel_files, "MAX_PACKAGE_BYTES", 10)
    with pytest.raises(BadInput, match="more than"):
        channel_files.install_path(paths, "mine", package)
    (package / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="symbolic link"):
        channel_files.install_path(paths, "mine", package)
    with pytest.raises(BadInput, match="neither a Python file nor a package"):
        channel_files.install_path(paths, "mine", tmp_path)


def test_removing_a_link_leaves_what_it_points_to(paths: Paths, tmp_path: Path) -> None:
    root = channel_files.directory(paths)
    root.mkdir(parents=True)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_bytes(SOURCE)
    (root / "mine").symlink_to(tmp_path / "pkg")
    channel_files.remove(paths, "mine")
    assert (tmp_path / "pkg" / "__init__.py").exists()
    assert list(root.iterdir()) == []
