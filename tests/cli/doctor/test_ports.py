from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace

import pytest

from copaw.cli.doctor import ports
from copaw.cli.doctor.finding import Subject


def test_a_free_port_is_free(subject: Subject, bad) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert bad(ports.check_port(replace(subject, address=f"http://127.0.0.1:{port}"))) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens")
def test_who_has_a_port_is_named(subject: Subject, bad) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert ports.listener(port).endswith(f", process {os.getpid()}")
        ((level, what),) = bad(ports.check_port(replace(subject, address=f"http://127.0.0.1:{port}")))
    assert level == "warn"
    assert f"process {os.getpid()}" in what


def test_a_server_that_answers_has_its_port(running: Subject, bad) -> None:
    (finding,) = ports.check_port(running)
    assert "A copaw server listens" in finding.what
    assert bad([finding]) == []
