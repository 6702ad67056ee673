"""Commands on the server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import copaw
from copaw.app.commands.registry import GROUP, Command, CommandCall
from copaw.errors import BadInput

DEFAULT_LINES = 100
MAX_LINES = 2000
MAX_BYTES = 64 * 1024


class ServerCommands:
    """``/version``, ``/logs``, ``/help`` and ``/daemon`` without a further word that it knows.

    :param known: answers every command there is.
    """

    def __init__(self, log_file: Path, known: Callable[[], Iterable[Command]]) -> None:
        self._log_file = log_file
        self._known = known

    def commands(self) -> list[Command]:
        return [
            Command("version", "the version of the server", self._version, in_group=True),
            Command("logs", f"the last lines of the server's log, {DEFAULT_LINES} or n", self._logs, "[n]",
                    in_group=True),
            Command(GROUP, "the same as /status and so on", self._group,
                    "status | restart | reload-config | version | logs [n]"),
            Command("help", "this list", self._help),
        ]  # fmt: skip

    async def _version(self, _call: CommandCall) -> str:
        return f"copaw {copaw.__version__}"

    async def _logs(self, call: CommandCall) -> str:
        count = _count(call.argument)
        try:
            lines = await asyncio.to_thread(_tail, self._log_file, count)
        except FileNotFoundError:
            return "There is no log yet."
        # As it is also where Markdown is shown.
        return "\n".join(["```", *lines, "```"]) if lines else "The log is empty."

    async def _group(self, call: CommandCall) -> str:
        names = ", ".join(f"/{GROUP} {command.name}" for command in self._known() if command.in_group)
        if call.argument:
            raise BadInput(f"There is no /{GROUP} {call.argument}. There are: {names}.", field="command")
        return f"Send one of: {names}."

    async def _help(self, _call: CommandCall) -> str:
        lines = [f"- `/{f'{one.name} {one.argument}'.strip()}`: {one.summary}" for one in self._known()]
        return "\n".join(["Commands; everything else goes to the agent:", *lines])


def _count(argument: str) -> int:
    if not argument:
        return DEFAULT_LINES
    if not argument.isdecimal() or not 1 <= int(argument) <= MAX_LINES:
        raise BadInput(f"/logs takes a number of lines from 1 to {MAX_LINES}, not '{argument}'.", field="n")
    return int(argument)


def _tail(path: Path, count: int) -> list[str]:
    """The last whole lines of a file, at most :data:`MAX_BYTES`. Blocking."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(size - MAX_BYTES, 0)
        file.seek(start)
        lines = file.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    return lines[1 if start else 0 :][-count:]
