"""``set_user_timezone``: remember where the user is."""

from __future__ import annotations

import asyncio

from pydantic import Field

from copaw.errors import Unavailable
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.timezones import zone


class TimezoneArguments(Arguments):
    timezone_name: str = Field(min_length=1, max_length=100, description="IANA name, such as `Europe/Paris`.")


async def run(context: ToolContext, arguments: TimezoneArguments) -> ToolResult:
    """Check the name and store it."""
    if context.set_user_timezone is None:
        raise Unavailable("The time zone cannot be changed from here. It is a setting of the server.")
    name = arguments.timezone_name.strip()
    await asyncio.to_thread(zone, name)
    await context.set_user_timezone(name)
    return ToolResult.text(f"The user's time zone is {name} now.")


TOOL = define(
    "set_user_timezone",
    "Store the user's time zone, for when the user says where they are or that the time is wrong.",
    TimezoneArguments,
    run,
    icon="🌍",
)
