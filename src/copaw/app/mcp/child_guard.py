"""Runs one MCP server, and ends it with everything it started as soon as nobody can talk to it any more.

Started as a script (``python -I -S child_guard.py COMMAND ...``), so it uses the standard library alone. The
server inherits this process's stdin and stdout. When the other end of stdin is closed, because the client closed it
or because the client's process is gone by whatever signal, the server gets ``QUIT_GRACE_S`` to end by itself; then
SIGTERM, then SIGKILL. On Linux this process adopts the orphans of its descendants, so that it finds all of them,
and the server dies with it. Elsewhere its process group is all that can be found.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

QUIT_GRACE_S = 2.0
TERM_GRACE_S = 1.0
_LOOK_S = 0.02
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_COMMAND_NOT_FOUND = 127


def main(command: list[str]) -> int:
    """Run ``command`` to its end; its exit status."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: asked.append(number))
    child = _start(command)
    # Whoever reads the server's stdout shall see its end when the server is gone, not when this process is.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    status = _watch(child, wake, asked)
    _end_descendants()
    return status


def _start(command: list[str]) -> int:
    guard = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_COMMAND_NOT_FOUND)


def _watch(child: int, wake: int, asked: list[int]) -> int:
    """Wait for the end of the server, or of the conversation with it."""
    poller = select.poll()
    poller.register(0, 0)  # only that the other end is gone; what comes in is the server's to read
    poller.register(wake, select.POLLIN)
    status = None
    while status is None:
        ready = dict(poller.poll())
        if wake in ready:
            os.read(wake, 4096)
        status = _reaped(child)
        if status is None and (0 in ready or asked):
            return _end(child)
    return status


def _end(child: int) -> int:
    for number, grace_s in ((0, QUIT_GRACE_S), (signal.SIGTERM, TERM_GRACE_S)):
        if number:
            _signal(child, number)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            if (status := _reaped(child)) is not None:
                return status
            time.sleep(_LOOK_S)
    return 128 + signal.SIGTERM


def _reaped(child: int) -> int | None:
    """Take note of every child that has ended; the status of ``child`` if it is one of them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code


def _end_descendants() -> None:
    for number, grace_s in ((signal.SIGTERM, TERM_GRACE_S / 2), (signal.SIGKILL, TERM_GRACE_S)):
        deadline = time.monotonic() + grace_s
        told: set[int] = set()
        while left := _descendants():
            for pid in left - told:
                _signal(pid, number)
            # SIGKILL is repeated: a family that forks fast has new members at each look.
            told = left if number == signal.SIGTERM else set()
            _reaped(-1)
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_S)


def _descendants() -> set[int]:
    """Living descendants of this process; where there is no ``/proc``, nobody after one signal to the group."""
    parents: dict[int, int] = {}
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - a script that shall start fast
    except OSError:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        return set()
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - see above
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                parents[int(name)] = int(fields[1])
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {os.getpid()}


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
