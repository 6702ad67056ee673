"""Protocols and aliases that layers share, so that a layer can be given what it must not import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]
"""A JSON object."""

Block = dict[str, Any]
"""A content block in the session format: ``{"type": "text", "text": ...}``, ``image``, ``file``, ..."""


class Clock(Protocol):
    """Where time comes from; tests give a virtual one."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


async def at_once() -> None:
    """Nothing is waited for."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gives back to the model.

    :param content: blocks, usually one text block.
    :param is_error: the tool failed; the text says why and what to try instead.
    """

    content: list[Block]
    is_error: bool = False

    @classmethod
    def text(cls, text: str, *, is_error: bool = False) -> ToolResult:
        return cls([{"type": "text", "text": text}], is_error)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of the run it works for. Made once for a run.

    :param workspace_dir: the agent's directory; relative paths start here.
    :param environ: variables added to a child process's environment.
    :param variables: the user's variables as they are now; ``environ`` goes before them. Blocks.
    :param progress: call it when something moved, so that the run does not look stalled.
    :param hold: what keeps the run's generation open.
    :param recorded: awaited before each call of a tool, so that it is known to have begun whatever happens then.
    """

    agent_id: str
    workspace_dir: Path
    session_id: str = ""
    user_id: str = ""
    channel: str = "console"
    environ: Mapping[str, str] = field(default_factory=dict)
    variables: Callable[[], Mapping[str, str]] = dict
    user_timezone: Callable[[], str] = lambda: "UTC"
    set_user_timezone: Callable[[str], Awaitable[None]] | None = None
    progress: Callable[[], None] = lambda: None
    hold: Hold | None = None
    recorded: Callable[[], Awaitable[None]] = at_once


class Hold(Protocol):
    """What keeps a generation open for a run: a lease. Work that the run begins may go on under it."""

    @property
    def released(self) -> bool: ...


class Tool(Protocol):
    """One function that the model may call."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def parameters(self) -> Json:
        """JSON schema of the arguments object."""

    async def __call__(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        """Run it. Bad arguments and failures come back as results; only cancellation is raised."""


EventSink = Callable[[Json], None]
"""Where a run's events go: the protocol's ``response``, ``message`` and ``content`` objects, unnumbered."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a conversation that was summarised.

    :param messages: how many the summary stands for.
    :param tokens_before: what the conversation had, and has now, by estimate.
    :param kept_in: where these messages are kept, from the workspace directory; empty if there were none.
    """

    messages: int
    tokens_before: int
    tokens_after: int
    kept_in: str = ""


class TurnRunner(Protocol):
    """Runs turns on one generation's resources."""

    async def run(self, turn: Turn, emit: EventSink) -> None:
        """Run one turn to its end, and emit its terminal event, exactly once, whatever happens.

        Cancellation is recorded with the turn's end reason, the session is saved, and it is raised again.
        """

    async def compact(self, turn: Turn, instructions: str = "") -> Compacted:
        """Summarise the turn's session now. Its input is not looked at, and no event is emitted.

        :raises SessionBusy: a run of the session is under way.
        :raises CopawError, OSError: it could not be done; the session is as it was, as after a cancellation.
        """

    async def call(self, turn: Turn, tool: str, arguments: Json, emit: EventSink) -> None:
        """Make one tool call to its end beside the conversation; ``turn`` says on whose behalf. As :meth:`run`."""


@dataclass(slots=True)
class Turn:
    """One request to one agent, and who asked.

    :param input: messages as the protocol has them, already validated.
    :param end_reason: answers why the run was asked to end, ``None`` while nobody asked.
    :param abandoned: whether the run was given up because it would not end; it must not write any more.
    :param progress: notes that something moved.
    :param wait_for_session: queue behind a run of the same session instead of failing with ``SessionBusy``.
    :param environ: variables for child processes, such as who is calling.
    :param hold: what keeps the generation open for it.
    :param recorded: see :class:`ToolContext`.
    """

    session_id: str
    user_id: str
    channel: str
    input: list[Json]
    response_id: str
    created_at: int
    end_reason: Callable[[], str | None]
    progress: Callable[[], None]
    abandoned: Callable[[], bool] = lambda: False
    wait_for_session: bool = False
    on_started: Callable[[], None] = lambda: None
    environ: Mapping[str, str] = field(default_factory=dict)
    hold: Hold | None = None
    recorded: Callable[[], Awaitable[None]] = at_once
