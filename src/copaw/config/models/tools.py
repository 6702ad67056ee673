"""``tools``: the built-in tools and how they are shown."""

from __future__ import annotations

from pydantic import Field, field_validator

from copaw.config.models.base import ConfigModel


class BuiltinToolConfig(ConfigModel):
    """One built-in tool. ``display_to_user`` shows its output; ``async_execution`` runs it beside the chat."""

    name: str
    enabled: bool = True
    description: str = ""
    display_to_user: bool = True
    async_execution: bool = False
    icon: str | None = None


_BUILTIN = (
    ("execute_shell_command", "💻", "Run a command in a shell of the workspace"),
    ("read_file", "📄", "Read a text file or a range of its lines"),
    ("write_file", "✍️", "Create a file or replace its content"),
    ("edit_file", "🖊️", "Replace one passage of a file by another"),
    ("grep_search", "🔍", "Find lines that match a pattern in files"),
    ("glob_search", "📁", "Find files whose path matches a pattern"),
    ("browser_use", "🌐", "Open and operate web pages in a browser"),
    ("desktop_screenshot", "📸", "Take a picture of the screen"),
    ("view_image", "🖼️", "Show an image file to the model"),
    ("view_video", "🎥", "Show a video file to the model"),
    ("send_file_to_user", "📤", "Hand a file over to the user"),
    ("get_current_time", "🕐", "Tell the date and time in the user's time zone"),
    ("set_user_timezone", "🌍", "Remember the user's time zone"),
    ("get_token_usage", "📊", "Report how many tokens the models have used"),
)
_NOT_DISPLAYED = frozenset({"view_image", "view_video"})


def builtin_tool_defaults() -> dict[str, BuiltinToolConfig]:
    """The built-in tools by name, each with its default settings, in the order in which they are listed."""
    return {
        name: BuiltinToolConfig(name=name, icon=icon, description=text, display_to_user=name not in _NOT_DISPLAYED)
        for name, icon, text in _BUILTIN
    }


class ToolsConfig(ConfigModel):
    """The tools of an agent. A built-in tool that the file does not name has its defaults."""

    builtin_tools: dict[str, BuiltinToolConfig] = Field(default_factory=builtin_tool_defaults)

    @field_validator("builtin_tools", mode="after")
    @classmethod
    def _complete(cls, given: dict[str, BuiltinToolConfig]) -> dict[str, BuiltinToolConfig]:
        in_order = {name: given[name] for name, _, _ in _BUILTIN if name in given}
        defaults = builtin_tool_defaults() if len(in_order) < len(_BUILTIN) else {}
        return {**defaults, **in_order, **given}
