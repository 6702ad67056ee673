"""Which commands there are, and which message is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from copaw.aiokits.lease import Lease
from copaw.app.workspace import Workspace
from copaw.errors import LifecycleBug
from copaw.ports import Json, Turn

GROUP = "daemon"
"""``/daemon status`` is another way to say ``/status``; so it was in CoPaw 1.0.2."""


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One command that somebody sent.

    :param argument: what follows its name, stripped.
    :param turn: who asked, where.
    :param lease: this command's own hold on ``workspace``.
    """

    agent_id: str
    argument: str
    turn: Turn
    workspace: Workspace
    lease: Lease


Handler = Callable[[CommandCall], Awaitable[str]]
"""Does what is asked and answers in words. What it raises as ``CopawError`` is told as a failure."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    :param name: without the slash.
    :param summary: what it does, for people.
    :param argument: how its argument is written; empty if it takes none. A message with words after the name of such
        a command is no command but a message like any other.
    :param in_session: it works on the session, so the chat counts as running and ``/stop`` ends it.
    :param in_group: ``/daemon`` has it, too.
    """

    name: str
    summary: str
    handler: Handler
    argument: str = ""
    in_session: bool = False
    in_group: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A command that a message asks for."""

    command: Command
    argument: str


class CommandRegistry:
    """The commands by name."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def add(self, *commands: Command) -> None:
        """:raises LifecycleBug: there is a command of that name."""
        for command in commands:
            if command.name in self._commands:
                raise LifecycleBug(f"There are two chat commands /{command.name}.")
            self._commands[command.name] = command

    def all(self) -> list[Command]:
        """Every command, in the order in which they were added."""
        return [*self._commands.values()]

    def match(self, content: Sequence[Json]) -> Match | None:
        """The command in a message; ``None`` if it is a message for the agent.

        :param content: the message's content items. Only text alone can be a command.
        """
        if any(item.get("type") != "text" for item in content):
            return None
        text = "\n".join(str(item.get("text") or "") for item in content).strip()
        if not text.startswith("/") or text[1:2].isspace():
            return None
        name, argument = _split(text[1:])
        if name == GROUP:
            sub, rest = _split(argument)
            found = self._commands.get(sub)
            if found is not None and found.in_group:
                name, argument = sub, rest
        command = self._commands.get(name)
        if command is None or (argument and not command.argument):
            return None
        return Match(command, argument)


def _split(text: str) -> tuple[str, str]:
    """The first word, in lower case, and the rest."""
    parts = text.split(maxsplit=1)
    return (parts[0].lower() if parts else ""), (parts[1] if len(parts) > 1 else "")
