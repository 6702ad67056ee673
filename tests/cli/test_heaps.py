"""Threads share heaps: counted by the C library itself, in a process of its own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

COUNT = """
import ctypes, os, sys, threading
from copaw.cli.heaps import share_heaps
if sys.argv[1] == "shared":
    share_heaps(os.environ)
libc, barrier = ctypes.CDLL(None), threading.Barrier(8)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
def hold():
    libc.malloc(5000)
    barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out), libc.fclose(out)
"""

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="counts heaps where the C library tells of them"
)


def heaps(how: str, **environ: str) -> int:
    clean = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    command = [sys.executable, "-c", COUNT, how]
    told = subprocess.run(command, env=clean | environ, check=True, capture_output=True, text=True)
    return told.stdout.count("<heap nr=")


def test_threads_share_two_heaps() -> None:
    assert heaps("each its own") > 2
    assert heaps("shared") == 2


@pytest.mark.parametrize(
    "chosen", [{"MALLOC_ARENA_MAX": "5"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=5"}], ids=["variable", "tunable"]
)
def test_another_choice_is_left_alone(chosen: dict[str, str]) -> None:
    assert heaps("shared", **chosen) == 5
