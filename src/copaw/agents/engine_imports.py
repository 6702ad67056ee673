"""Loading the engine with what it needs.

agentscope imports all it can do together with clients of services that are not used here: 1.6 s of processor time
and 100 MB. What an agent here needs of it takes a sixth of both. The rest is there as soon as somebody asks for it.
"""

from __future__ import annotations

from copaw.agents.lazy_imports import lazily

REEXPORTING = ("agentscope", "mcp")
"""agentscope's packages offer every model, memory and tool it has; ``mcp`` offers its server half too."""

DEFERRED = (
    *("dashscope", "jsonschema", "numpy", "requests", "socketio"),
    # The command line of httpx, which comes with its package.
    *("pygments.lexers", "pygments.util"),
    *("rich.console", "rich.markup", "rich.progress", "rich.syntax", "rich.table"),
)
"""Imported by modules that an agent needs, for functions that no agent here calls."""


def load_engine() -> None:
    """Import the engine. Blocking; the second time costs nothing."""
    with lazily(reexporting=REEXPORTING, deferred=DEFERRED):
        import copaw.agents.factory  # noqa: F401 - for its side effect: the engine is in memory
