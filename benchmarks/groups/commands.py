"""The command line, each command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks.bench import Bench
from benchmarks.processes import environ_of

_CHAT = ("agents", "chat", "--from-agent", "bench", "--to-agent", "default", "--text", "say done", "--base-url")


async def run(bench: Bench) -> None:
    target = await bench.copaw()
    environ = environ_of(bench.home)
    for number in range(bench.scale.commands + 1):
        help_s = _seconds_of(("--help",), environ)
        chat_s = _seconds_of((*_CHAT, target.base_url), environ)
        if number:  # the first of each only fills the system's caches
            bench.add("cli.help", target, help_s)
            bench.add("cli.chat", target, chat_s)


def _seconds_of(arguments: tuple[str, ...], environ: Mapping[str, str]) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "copaw", *arguments], env=dict(environ), stdout=subprocess.PIPE, check=True)
    return time.monotonic() - begun
