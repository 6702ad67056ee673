"""What is counted here is the server's, not what pytest keeps of its log."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def no_records_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "copaw")
