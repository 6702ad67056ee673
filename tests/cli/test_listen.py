from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from copaw.cli.listen import CannotListen, bind, record_last_api


def test_port_0_picks_a_free_one_that_does_not_listen_yet() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_port_in_use_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"Port {port} of 127.0.0.1 is in use; .*--port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70000), ("no such host", 0)])
def test_an_address_that_is_not_ours_is_a_sentence(host: str, port: int) -> None:
    with pytest.raises(CannotListen, match=f"Cannot listen on {host} port {port}: "):
        bind(host, port)


def test_last_api_is_recorded_beside_what_else_is_there(tmp_path: Path) -> None:
    file = tmp_path / "runtime.json"
    record_last_api(file, "127.0.0.1", 1)
    file.write_text(json.dumps({"last_dispatch": {"a": 1}, "last_api": {"port": 1}}))
    record_last_api(file, "127.0.0.1", 2)
    wanted = {"last_dispatch": {"a": 1}, "last_api": {"host": "127.0.0.1", "port": 2}}
    assert json.loads(file.read_text()) == wanted


def test_a_broken_file_is_set_aside_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "runtime.json"
    file.write_text("{broken")
    record_last_api(file, "127.0.0.1", 2)
    assert json.loads(file.read_text()) == {"last_api": {"host": "127.0.0.1", "port": 2}}
    (aside,) = [path for path in tmp_path.iterdir() if path != file]
    assert aside.read_text() == "{broken"
