"""A home for a test, and requests to the agents in it."""

from __future__ import annotations

from pathlib import Path

from copaw.app.runner.request import AgentRequest, parse_request
from copaw.config.home import make_home
from copaw.paths import Paths


def fresh_home(directory: Path) -> Paths:
    """Make a home with one agent, ``default``, below ``directory``. Blocking."""
    paths = Paths(working_dir=directory / "copaw", secret_dir=directory / "copaw.secret")
    make_home(paths, language="en")
    return paths


def request(text: str, *, session_id: str = "s", user_id: str = "u", **fields: object) -> AgentRequest:
    """A request with one user message."""
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
    return parse_request({"input": [message], "session_id": session_id, "user_id": user_id, **fields})
