"""Every metric is documented."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r'"(copaw_[a-z_]+)"')


def test_every_metric_of_the_source_is_documented_and_no_other() -> None:
    source = (ROOT / "src" / "copaw" / "app" / "metrics.py").read_text("utf-8")
    page = (ROOT / "docs" / "reload-lifecycle.md").read_text("utf-8")
    names = set(NAME.findall(source))
    assert names
    assert set(re.findall(r"^\| `(copaw_[a-z_]+)`", page, re.MULTILINE)) == names
