from __future__ import annotations

import logging

import pytest

from copaw.cli.exposure import warn_if_exposed
from copaw.security.settings import AuthSettings

ON, OFF = AuthSettings(enabled=True), AuthSettings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1"])
def test_an_open_server_is_told_on_stderr_and_in_the_log(
    host: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_exposed(host, 8088, OFF)
    out, err = capsys.readouterr()
    assert out == ""
    for word in ("WARNING", host, "run commands as you", "COPAW_AUTH_ENABLED=true", "--host 127.0.0.1"):
        assert word in err
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert host in caplog.text


@pytest.mark.parametrize(("host", "settings"), [("127.0.0.1", OFF), ("::1", OFF), ("0.0.0.0", ON)])
def test_otherwise_nothing_is_said(
    host: str, settings: AuthSettings, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_exposed(host, 8088, settings)
    assert capsys.readouterr() == ("", "")
    assert caplog.records == []
