from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from copaw.agents.local_files import LocalFiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    (made / "media").mkdir(parents=True)
    (made / "media" / "a cat.png").write_bytes(b"x")
    (made / "agent.json").write_text("{}")
    (tmp_path / "outside.png").write_bytes(b"x")
    (made / "link.png").symlink_to(tmp_path / "outside.png")
    return made


def test_a_file_is_found_by_every_form_of_its_address(root: Path) -> None:
    files = LocalFiles((root,))
    path = root / "media" / "a cat.png"
    for address in (
        str(path),
        path.as_uri(),
        "a cat.png",
        "media/a cat.png",
        f"/api/files/preview/{quote(str(path))}",
        f"/api/files/preview{quote(str(path))}?token=t",
        f"http://127.0.0.1:8088/api/files/preview/{quote(str(path)[1:])}",
    ):
        assert files.find(address) == path.resolve(), address


def test_nothing_else_is(root: Path, tmp_path: Path) -> None:
    files = LocalFiles((root, tmp_path), (tmp_path / "secret",))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("x")
    only = LocalFiles((root,))
    for address in ("", "/etc/passwd", "file:///etc/passwd", str(root / "link.png"), "../outside.png", "a\0b"):
        assert only.find(address) is None, address
    for address in (str(root / "agent.json"), str(tmp_path / "secret" / "key"), str(root), "x" * 100_000):
        assert files.find(address) is None, address
    for address in ("https://example.org/a cat.png", "data:image/png;base64,eA=="):
        assert files.find(address) is None, address
