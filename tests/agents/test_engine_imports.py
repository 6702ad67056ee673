"""The engine is loaded with what it needs, and the rest of its packages is the real thing when asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

LOAD = "from copaw.agents.engine_imports import DEFERRED, load_engine\nload_engine()\n"

NAMES = """
import importlib, json, pkgutil, sys
import agentscope, mcp

def described(package, name):
    try:
        found = getattr(package, name)
    except AttributeError:  # some are promised and not there
        return None
    return [type(found).__name__, getattr(found, "__module__", None), getattr(found, "__qualname__", None)]

packages = [agentscope, mcp, *(importlib.import_module(f"agentscope.{name}") for name in (
    "agent", "embedding", "evaluate", "formatter", "hooks", "mcp", "memory", "message", "model", "module", "pipeline",
    "plan", "rag", "session", "token", "tool", "tracing", "tts",
))]
found = {p.__name__: {name: described(p, name) for name in p.__all__} for p in packages}
print(json.dumps(found), file=sys.stderr)
"""


def answer(code: str) -> Any:
    """What a fresh interpreter writes as the last line of its errors."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.e2e
def test_every_public_name_is_the_same_as_without() -> None:
    lazy, eager = answer(LOAD + NAMES), answer(NAMES)
    assert sum(len(names) for names in eager.values()) > 150
    assert lazy == eager


def test_what_was_deferred_works_when_asked_for() -> None:
    code = f"""{LOAD}
import json, sys
from copaw.agents.lazy_imports import DeferredModule
waiting = [name for name in DEFERRED if type(sys.modules.get(name)) is DeferredModule]
import numpy, requests
from agentscope.model import DashScopeChatModel
values = [float(numpy.linalg.norm(numpy.array([3.0, 4.0]))), requests.codes.ok, DashScopeChatModel.__name__]
print(json.dumps([waiting, values, type(numpy).__name__]), file=sys.stderr)
"""
    waiting, values, kind = answer(code)
    assert set(waiting) >= {"dashscope", "numpy", "requests", "rich.console", "socketio"}
    assert values == [5.0, 200, "DashScopeChatModel"]
    assert kind == "module"
