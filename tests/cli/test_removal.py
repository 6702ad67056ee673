from __future__ import annotations

import os
from pathlib import Path

import pytest

from copaw.cli.removal import Item, NotRemoved, check_ours, items_of, remove, show
from copaw.errors import BadInput


def test_a_link_is_removed_and_what_it_points_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("x")
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    (home / "link").symlink_to(outside)
    (home / "deep" / "link").symlink_to(outside)
    (home / "broken").symlink_to(tmp_path / "nowhere")
    remove(items_of(home))
    assert list(home.iterdir()) == []
    assert (outside / "precious.txt").read_text() == "x"


def test_each_item_is_shown_with_its_extent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"x" * 1500)
    (tmp_path / "f").write_bytes(b"x" * 12)
    (tmp_path / "l").symlink_to("/nowhere")
    show([*items_of(tmp_path), Item(tmp_path / "f", "a note")])
    lines = [" ".join(line.split()).removeprefix(f"{tmp_path}/") for line in capsys.readouterr().out.splitlines()]
    assert lines == ["d 1 file, 1.5 kB", "f 12 B", "l link to /nowhere, which stays", "f 12 B a note"]


def test_what_is_kept_and_what_is_not_there_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    assert items_of(tmp_path, keep=[tmp_path / "a"]) == [Item(tmp_path / "b")]
    assert items_of(tmp_path / "missing") == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_told_and_the_rest_goes(tmp_path: Path) -> None:
    held, free = tmp_path / "held", tmp_path / "free"
    held.mkdir()
    (held / "x").touch()
    free.touch()
    held.chmod(0o500)
    try:
        with pytest.raises(NotRemoved, match="1 could not be removed"):
            remove([Item(held), Item(free)])
        assert not free.exists()
    finally:
        held.chmod(0o700)


@pytest.mark.parametrize("place", ["/", "~", "~/.."])
def test_a_directory_with_more_than_copaw_in_it_is_refused(place: str) -> None:
    with pytest.raises(BadInput, match="is in it; see COPAW_WORKING_DIR"):
        check_ours(Path(place).expanduser(), ("etc", ".bashrc"), "COPAW_WORKING_DIR")


def test_a_link_to_such_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(Path.home())
    with pytest.raises(BadInput, match="is in it"):
        check_ours(tmp_path / "home", ("x",), "COPAW_WORKING_DIR")


def test_a_directory_without_a_mark_of_copaw_is_refused(tmp_path: Path) -> None:
    check_ours(tmp_path, ("config.json",), "COPAW_WORKING_DIR")
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(BadInput, match="does not look like copaw's"):
        check_ours(tmp_path, ("config.json",), "COPAW_WORKING_DIR")
    (tmp_path / "config.json").touch()
    check_ours(tmp_path, ("config.json",), "COPAW_WORKING_DIR")
