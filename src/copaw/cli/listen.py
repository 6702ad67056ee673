"""The listening socket, taken before anything else so that a port in use is known at once."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from copaw.errors import CopawError


class CannotListen(CopawError):
    """The address cannot be listened on."""

    code = "CANNOT_LISTEN"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not accept connections yet.

    :param port: 0 picks a free one.
    :raises CannotListen: the port is in use or the address is not ours.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if os.name == "posix":
        # So that a restart need not wait for the last connections to be forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise refused(host, port, error) from error
    listener.set_inheritable(True)
    return listener


def refused(host: str, port: int, error: Exception) -> CannotListen:
    """The sentence for an address that could not be taken."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return CannotListen(
            f"Port {port} of {host} is in use; end what uses it, or choose another with `copaw app --port` "
            "(0 picks a free one)."
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CannotListen(f"Cannot listen on {host} port {port}: {reason}.")


def record_last_api(runtime_file: Path, host: str, port: int) -> None:
    """Write where the server listens into ``runtime.json``, keeping its other keys. Blocks.

    A file that does not parse is set aside, not overwritten.

    :raises OSError: the file cannot be written.
    """
    from copaw.aiokits.files import read_json, set_aside, write_json_atomic

    document: object = {}
    try:
        document = read_json(runtime_file)
    except FileNotFoundError:
        pass
    except ValueError:
        set_aside(runtime_file)
    kept = document if isinstance(document, dict) else {}
    write_json_atomic(runtime_file, {**kept, "last_api": {"host": host, "port": port}})
