"""Changes a setting of an agent while it is told to, ten times a second.

In a process of its own: beside the client that measures, its own requests would delay what that one sees. A request
of any kind did so as much as one that reloads.

    python -m benchmarks.changer HOST PORT < "go" and "rest", a line each
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from typing import Any

from benchmarks.client import DEADLINE_S, Target

EVERY_S = 0.1
_PATH = "/api/agent/running-config"
_ITERATIONS = range(10, 900)


class Changer:
    """What the process is told.

    :raises RuntimeError: it is no longer there, because a change was refused.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @contextmanager
    def changing(self) -> Iterator[None]:
        """The setting changes every :data:`EVERY_S` seconds."""
        self._tell("go")
        try:
            yield
        finally:
            self._tell("rest")

    def _tell(self, word: str) -> None:
        if self._process.poll() is not None or self._process.stdin is None:
            raise RuntimeError("the settings could not be changed; see above")
        print(word, file=self._process.stdin, flush=True)


@contextmanager
def changer(target: Target) -> Iterator[Changer]:
    """Run the process; it rests at first, and puts the setting back at the end."""
    command = (sys.executable, "-m", "benchmarks.changer", target.host, str(target.port))
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield Changer(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(DEADLINE_S)


def main(host: str, port: int) -> None:
    settings = _call(host, port, "GET")
    numbers = count()
    going = True
    busy = False
    while going:
        told, _, _ = select.select([sys.stdin], [], [], EVERY_S if busy else None)
        if told:
            word = sys.stdin.readline().strip()
            going, busy = bool(word), word == "go"
        if busy:
            iterations = _ITERATIONS[next(numbers) % len(_ITERATIONS)]
            _call(host, port, "PUT", {**settings, "max_iters": iterations})
    _call(host, port, "PUT", settings)


def _call(host: str, port: int, method: str, body: Any = None) -> Any:
    connection = HTTPConnection(host, port, timeout=DEADLINE_S)
    content = None if body is None else json.dumps(body)
    connection.request(method, _PATH, content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{method} {_PATH}: {answer.status} {data[:600]!r}")
    return json.loads(data)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
