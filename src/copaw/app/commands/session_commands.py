"""Commands on the conversation in which they are sent."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from copaw.agents.context.tokens import TokenMeter
from copaw.agents.context.transcript import transcript
from copaw.aiokits.keyed import KeyedLocks
from copaw.app.commands.registry import Command, CommandCall
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.session import Entry, SessionFiles, SessionState
from copaw.app.runner.task_tracker import Run
from copaw.config.shielded import to_the_end
from copaw.errors import EndReason, SessionBusy
from copaw.ports import Json

PREVIEW_CHARS = 100


class SessionCommands:
    """``/stop``, ``/new``, ``/clear``, ``/compact`` and ``/history``.

    What changes the session holds its lock, the one that turns hold; while a turn has it, the answer says what to do.

    :param locks: one lock a session file, across all generations.
    """

    def __init__(self, manager: MultiAgentManager, locks: KeyedLocks) -> None:
        self._manager = manager
        self._locks = locks

    def commands(self) -> list[Command]:
        return [
            Command("stop", "end what is running in this conversation", self._stop),
            Command("new", "begin anew; what was said is kept in a file", partial(self._begin_anew, "new"),
                    in_session=True),
            Command("clear", "empty this conversation; what was said is kept in a file",
                    partial(self._begin_anew, "clear"), in_session=True),
            Command("compact", "summarise this conversation now", self._compact, "[what to heed]", in_session=True),
            Command("history", "what the agent has before it, and how much of its window that takes", self._history),
        ]  # fmt: skip

    async def _stop(self, call: CommandCall) -> str:
        tracker = self._manager.slot(call.agent_id).tracker
        asked = [run.stop(EndReason.USER_STOP) for run in tracker.active() if _is_about(call, run)]
        return EndReason.USER_STOP.sentence if any(asked) else "Nothing is running here."

    async def _begin_anew(self, why: str, call: CommandCall) -> str:
        path = _session_file(call)
        if self._locks.locked(path):
            return _busy(why)
        async with self._locks.hold(path, call.turn.response_id):
            emptied = asyncio.to_thread(_empty, call, path, why)
            # The session is held until the file is written, whoever is cancelled meanwhile.
            kept_in = await to_the_end(emptied, name=f"command:{why}:{call.turn.session_id}")
        if kept_in is None:
            return "There is nothing here yet. The next message begins the conversation."
        return f"The next message begins anew. What was said so far is kept in {kept_in} of the workspace."

    async def _compact(self, call: CommandCall) -> str:
        try:
            done = await call.workspace.runner.compact(call.turn, call.argument)
        except SessionBusy:
            return _busy("compact")
        if not done.messages:
            return "There is nothing to summarise."
        return (
            f"{done.messages} messages are summarised: about {done.tokens_before} tokens have become "
            f"{done.tokens_after}. The messages are kept in {done.kept_in} of the workspace."
        )

    async def _history(self, call: CommandCall) -> str:
        state = await asyncio.to_thread(_sessions(call).peek, _session_file(call))
        return _overview(state, call)


def _is_about(call: CommandCall, run: Run) -> bool:
    """Whether a run is of the conversation in which the command was sent.

    In a group everybody has a session file of their own, but it is one conversation.
    """
    labels, turn = run.lease.labels, call.turn
    same_place = labels.get("user_id") == turn.user_id or labels.get("channel") == turn.channel
    return run.lease is not call.lease and run.session_id == turn.session_id and same_place


def _busy(name: str) -> str:
    return f"A run is under way in this conversation. Wait for its end, or send /stop; then send /{name} again."


def _sessions(call: CommandCall) -> SessionFiles:
    return SessionFiles(call.workspace.snapshot.files.sessions_dir)


def _session_file(call: CommandCall) -> Path:
    return _sessions(call).path(call.turn.user_id, call.turn.session_id)


def _empty(call: CommandCall, path: Path, why: str) -> str | None:
    """Keep what a session has and take it out of it. Blocking. ``None`` if there is nothing in it."""
    files = _sessions(call)
    state = files.load(path)
    if not state.content and not state.summary:
        return None
    kept_in = KeptFiles(call.workspace.snapshot.files).keep_messages(path, state.content, state.summary, why)
    state.content, state.summary = [], ""
    agent: Json = state.raw.get("agent") or {}
    files.save(state, agent_name=str(agent.get("name") or ""), sys_prompt=str(agent.get("_sys_prompt") or ""))
    return kept_in


# -- the history ---------------------------------------------------------------------------------------------------


def _overview(state: SessionState, call: CommandCall) -> str:
    running = call.workspace.snapshot.profile.running
    meter = TokenMeter(running.context_compact.token_count_estimate_divisor)
    sizes = [meter.message(message["content"]) for message, _ in state.content]
    notes = meter.text(state.summary)
    total, window = sum(sizes) + notes, running.max_input_length
    head = f"{len(sizes)} messages, about {total} of {window} tokens ({100 * total / window:.0f} %)"
    if notes:
        head += f", {notes} of them a summary of earlier messages"
    lines = [_line(at, entry, size) for at, (entry, size) in enumerate(zip(state.content, sizes, strict=True), 1)]
    return "\n".join([f"{head}.", *_newest(lines, running.history_max_length - len(head))])


def _line(at: int, entry: Entry, tokens: int) -> str:
    message, _ = entry
    text = transcript(message["role"], message["content"], thinking=False).removeprefix("| ").replace("\n| ", " ")
    shown = text if len(text) <= PREVIEW_CHARS else f"{text[:PREVIEW_CHARS]}…"
    return f"{at}. {shown or message['role']} ({tokens})"


def _newest(lines: list[str], max_chars: int) -> list[str]:
    """The last lines that fit, and how many are missing."""
    kept: list[str] = []
    for line in reversed(lines):
        max_chars -= len(line) + 1
        if max_chars < 0:
            break
        kept.append(line)
    missing = len(lines) - len(kept)
    return [*([f"[{missing} earlier ones are not shown]"] if missing else []), *reversed(kept)]
