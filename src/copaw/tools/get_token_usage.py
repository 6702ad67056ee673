"""``get_token_usage``: what the models have cost in tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pydantic import Field

from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, FunctionTool, define

Report = Callable[[int, str | None, str | None], Awaitable[str]]
"""A text for a number of days until today, and one model or provider if named."""


class UsageArguments(Arguments):
    days: int = Field(default=30, ge=1, le=400, description="How many days, today included.")
    model_name: str | None = Field(default=None, max_length=200, description="Of this model alone.")
    provider_id: str | None = Field(default=None, max_length=100, description="Of this provider alone.")


async def _run(report: Report, _context: ToolContext, arguments: UsageArguments) -> ToolResult:
    text = await report(arguments.days, arguments.model_name or None, arguments.provider_id or None)
    return ToolResult.text(text)


def usage_tool(report: Report) -> FunctionTool[Any]:
    """The tool, which needs somebody who knows."""
    return define(
        "get_token_usage",
        "How many tokens this server's agents have used, by model and by day.",
        UsageArguments,
        partial(_run, report),
        icon="📊",
    )
