from __future__ import annotations

import dataclasses
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from copaw.ports import ToolContext
from copaw.tools.get_current_time import TOOL, render


def test_offset_zone_and_weekday_are_there() -> None:
    now = datetime(2025, 3, 1, 9, 5, 7, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert render(now, "Asia/Kolkata") == "2025-03-01 09:05:07 +05:30 (Asia/Kolkata), Saturday"
    now = datetime(2025, 7, 1, tzinfo=ZoneInfo("America/St_Johns"))
    assert render(now, "X") == "2025-07-01 00:00:00 -02:30 (X), Tuesday"


async def test_the_users_zone_is_used(context: ToolContext) -> None:
    context = dataclasses.replace(context, user_timezone=lambda: "Asia/Tokyo")
    text = (await TOOL(context, {})).content[0]["text"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+09:00 \(Asia/Tokyo\), \w+day", text)


async def test_a_zone_that_does_not_exist_gives_utc_and_says_so(context: ToolContext) -> None:
    context = dataclasses.replace(context, user_timezone=lambda: "Mars/Base")
    result = await TOOL(context, {})
    assert not result.is_error
    assert "+00:00 (UTC)" in result.content[0]["text"]
    assert "'Mars/Base' is not the name" in result.content[0]["text"]
