from __future__ import annotations

from pathlib import Path

import pytest

from copaw.config.secrets import SecretFiles
from copaw.errors import ConfigFileError
from copaw.security.local_token import known_local_token, local_token


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    assert known_local_token(files) is None
    token = local_token(files)
    assert len(token) >= 32
    assert local_token(files) == known_local_token(files) == token
    assert (tmp_path / "local_token.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_file_is_told_to_the_server_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "local_token.json").write_text(content)
    with pytest.raises(ConfigFileError):
        local_token(SecretFiles(tmp_path))
    assert known_local_token(SecretFiles(tmp_path)) is None
    assert (tmp_path / "local_token.json").read_text() == content
