"""The tools there are, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from copaw.ports import Tool
from copaw.tools import (
    edit_file,
    execute_shell_command,
    get_current_time,
    glob_search,
    grep_search,
    read_file,
    send_file_to_user,
    set_user_timezone,
    view_image,
    write_file,
)
from copaw.tools.base import FunctionTool

BUILTIN: tuple[FunctionTool[Any], ...] = (
    execute_shell_command.TOOL,
    read_file.TOOL,
    write_file.TOOL,
    edit_file.TOOL,
    grep_search.TOOL,
    glob_search.TOOL,
    view_image.TOOL,
    send_file_to_user.TOOL,
    get_current_time.TOOL,
    set_user_timezone.TOOL,
)

UNAVAILABLE: tuple[str, ...] = ("browser_use", "desktop_screenshot", "view_video")
"""Tools that a configuration may name and that this version does not have."""


def builtin_tools() -> dict[str, Tool]:
    """Every built-in tool by name, in listing order."""
    return {tool.name: tool for tool in BUILTIN}


def enabled_tools(switches: Mapping[str, bool]) -> list[FunctionTool[Any]]:
    """The tools that are on, in listing order.

    :param switches: tool name to whether it is enabled; a tool without an entry is on, and an entry without a
        tool is ignored.
    """
    return [tool for tool in BUILTIN if switches.get(tool.name, True)]
