"""A small file of settings: nothing if it is not there, an error that names it if it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from copaw.config.json_object import read_object
from copaw.errors import ConfigFileError


def test_what_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_object(tmp_path / "settings.json") == {}


def test_an_object_is_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"language": "en"}')
    assert read_object(file) == {"language": "en"}


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"{oops", b'{"a": 1, "a": 2}', b"\xff\xfe"])
def test_anything_else_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(content)
    with pytest.raises(ConfigFileError) as error:
        read_object(file)
    assert error.value.path == file
    assert file.read_bytes() == content


def test_so_is_a_directory_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError):
        read_object(tmp_path)
