"""``get_current_time``: date and time where the user is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, tzinfo

from copaw.errors import BadInput
from copaw.ports import ToolContext, ToolResult
from copaw.tools.base import Arguments, define
from copaw.tools.timezones import zone

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class TimeArguments(Arguments):
    pass


async def run(context: ToolContext, arguments: TimeArguments) -> ToolResult:
    """Now, in the user's time zone; in UTC with a notice when the configured zone does not exist."""
    name = context.user_timezone()
    try:
        where: tzinfo = await asyncio.to_thread(zone, name)
    except BadInput as error:
        text = f"{render(datetime.now(UTC), 'UTC')}\n[The user's time zone cannot be used: {error.message}]"
        return ToolResult.text(text)
    return ToolResult.text(render(datetime.now(where), name))


def render(now: datetime, zone_name: str) -> str:
    """Such as ``2025-03-01 09:30:00 +08:00 (Asia/Shanghai), Saturday``."""
    offset = now.strftime("%z")
    # The names of strftime follow the locale of the server.
    weekday = _WEEKDAYS[now.weekday()]
    return f"{now:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]} ({zone_name}), {weekday}"


TOOL = define(
    "get_current_time",
    "The current date, time, weekday and time zone of the user.",
    TimeArguments,
    run,
    icon="🕐",
)
