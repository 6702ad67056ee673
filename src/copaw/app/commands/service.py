"""From a message that is a command to the run that answers it.

A command is a run like any other, so that every client shows its answer as it shows an agent's, but it waits for
nothing: not for the queue of its session, nor for the run that it may be about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.lease import Lease
from copaw.app.commands.registry import CommandCall, CommandRegistry, Match
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.ending import ending
from copaw.app.runner.events import ResponseStream
from copaw.app.runner.request import AgentRequest, turn_of
from copaw.app.runner.session import SessionFiles
from copaw.app.runner.task_tracker import Run
from copaw.app.workspace import Workspace
from copaw.ports import EventSink, Json, Turn


class ChatCommands:
    """Starts commands.

    :param locks: one lock a session file, across all generations.
    """

    def __init__(
        self, manager: MultiAgentManager, chats: ChatBooks, locks: KeyedLocks, registry: CommandRegistry
    ) -> None:
        self._manager = manager
        self._chats = chats
        self._locks = locks
        self._registry = registry

    def takes(self, content: Sequence[Json]) -> bool:
        """Whether a message of this content is a command."""
        return self._registry.match(content) is not None

    def match(self, request: AgentRequest) -> Match | None:
        """The command that a request asks for; ``None`` if it is for the agent."""
        last = request.input[-1]
        if last.role not in (None, "user"):
            return None
        return self._registry.match([{"type": item.type, "text": item.text} for item in last.content or []])

    async def start(
        self,
        match: Match,
        request: AgentRequest,
        agent_id: str,
        *,
        task_id: str = "",
        parent: Lease | None = None,
        on_started: Callable[[], None] = lambda: None,
    ) -> Run:
        """Start a command in a lease of its own.

        :raises CopawError: the agent cannot take it; nothing was started then.
        """
        slot = await self._manager.get_agent(agent_id)
        key = await self._key(match, request, agent_id)
        labels = {
            "session_id": request.session_id,
            "user_id": request.user_id,
            "channel": request.channel,
            "task_id": task_id,
        }
        workspace, lease = self._manager.acquire(
            agent_id, "command", task_id or f"/{match.command.name}", labels, parent
        )
        turn = turn_of(request, lease)
        call = CommandCall(agent_id, match.argument, turn, workspace, lease)

        async def work(_run: Run, emit: EventSink) -> None:
            on_started()
            await _answered(match, call, emit)

        try:
            return slot.tracker.start(
                key,
                request.session_id,
                lease,
                workspace.generation,
                work,
                on_abandon=lambda: self._abandon(workspace, turn),
            )
        except BaseException:
            lease.release()
            raise

    async def _key(self, match: Match, request: AgentRequest, agent_id: str) -> str:
        """Under the key of its chat a command is what runs there; the others are not seen."""
        chats = await self._chats.of(agent_id)
        chat = chats.find(request.session_id, request.user_id, request.channel)
        return chat.id if chat is not None and match.command.in_session else f"command:{request.session_id}"

    def _abandon(self, workspace: Workspace, turn: Turn) -> None:
        path = SessionFiles(workspace.snapshot.files.sessions_dir).path(turn.user_id, turn.session_id)
        self._locks.abandon(path, turn.response_id)


async def _answered(match: Match, call: CommandCall, emit: EventSink) -> None:
    turn = call.turn
    stream = ResponseStream(emit, turn.response_id, turn.session_id, turn.created_at)
    with ending(stream, turn):
        stream.begin()
        text = await match.command.handler(call)
        message = stream.open_message("message", "assistant")
        message.text(text)
        message.complete()
