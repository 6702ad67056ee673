"""What a generation keeps ready so that a turn has little left to build."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agentscope.formatter import FormatterBase
from agentscope.memory import InMemoryMemory

from copaw.agents.context.keeper import ContextKeeper, Records
from copaw.agents.context.settings import ContextSettings
from copaw.agents.context.summary import Summariser
from copaw.agents.context.tokens import TokenMeter
from copaw.agents.engine import CopawAgent, Speaker
from copaw.agents.media import MediaSettings, MediaView
from copaw.agents.prompt import PromptFiles, environment_section
from copaw.config.snapshot import AgentSnapshot
from copaw.ports import Json, Tool, ToolContext
from copaw.providers.chat_model import ChatModel


class BoundModel(Protocol):
    """A model and the formatter for its messages."""

    @property
    def model(self) -> ChatModel: ...

    @property
    def formatter(self) -> FormatterBase: ...


class ToolSource(Protocol):
    """The tools of one generation."""

    def __call__(self) -> Sequence[Tool]:
        """The tools there are now; the same object until they change."""

    def origin(self, name: str) -> str | None:
        """The key of the MCP server that a tool comes from; ``None`` for a built-in one."""


class AgentFactory:
    """Makes agents of one generation: the model, the tools and their schemas are shared by all of them.

    :param bind: answers the model of this generation; asked again for each turn until it once succeeded.
    :param settings: how conversations are kept within the model's window.
    :param media: what may be shown of files.
    :param tools: asked for each turn; schemas are made anew only when the tools changed.
    """

    def __init__(
        self,
        snapshot: AgentSnapshot,
        bind: Callable[[], Awaitable[BoundModel]],
        tools: ToolSource,
        settings: ContextSettings,
        media: MediaSettings,
    ) -> None:
        self._snapshot = snapshot
        self._bind = bind
        self._bound: BoundModel | None = None
        self._source = tools
        self._offered: Sequence[Tool] = ()
        self._tools: dict[str, Tool] = {}
        self._schemas: list[Json] = []
        self._settings = settings
        self._media = MediaView(media)
        self._meter = TokenMeter(settings.divisor)
        self._prompt = PromptFiles(snapshot.files.root, snapshot.profile.system_prompt_files)

    def origin(self, name: str) -> str | None:
        """See :meth:`ToolSource.origin`."""
        return self._source.origin(name)

    def read_prompt(self) -> None:
        """Read the prompt files that have changed. Blocking. At the begin of each turn."""
        self._prompt.read()

    def _look_at_tools(self) -> None:
        offered = self._source()
        if offered is not self._offered:
            # New objects: turns under way keep those they began with.
            self._tools = {tool.name: tool for tool in offered}
            self._schemas = [schema(tool) for tool in offered]
            self._offered = offered

    async def bound(self) -> BoundModel:
        """The model.

        :raises ModelNotConfigured: something is missing; the message says what. Once it is there, this works.
        """
        if self._bound is None:
            self._bound = await self._bind()
        return self._bound

    async def keeper(self, records: Records, usage: Callable[[Json], None]) -> ContextKeeper:
        """What keeps one conversation within the model's window.

        :param usage: told of the token counts of its own model calls.
        :raises ModelNotConfigured: as :meth:`bound`.
        """
        bound, settings = await self.bound(), self._settings
        max_bytes = int(settings.reserve * settings.divisor)
        summariser = Summariser(bound.model, bound.formatter, max_bytes, usage)
        return ContextKeeper(settings, self._meter, summariser, records)

    async def make(
        self,
        memory: InMemoryMemory,
        context: ToolContext,
        speaker: Speaker,
        records: Records,
        save: Callable[[], Awaitable[None]],
        end_reason: Callable[[], str | None],
    ) -> CopawAgent:
        """An agent for one turn on ``memory``, with the prompt that was read last.

        :raises ModelNotConfigured: this generation has no usable model; the message says what to do.
        """
        bound = await self.bound()
        self._look_at_tools()
        where = environment_section(
            agent_id=context.agent_id,
            workspace_dir=context.workspace_dir,
            session_id=context.session_id,
            user_id=context.user_id,
            channel=context.channel,
        )
        return CopawAgent(
            name=self._snapshot.profile.name,
            sys_prompt=f"{self._prompt.text}\n\n{where}",
            model=bound.model,
            formatter=bound.formatter,
            memory=memory,
            tools=self._tools,
            schemas=self._schemas,
            origin=self.origin,
            context=context,
            speaker=speaker,
            media=self._media,
            keeper=await self.keeper(records, speaker.usage),
            save=save,
            end_reason=end_reason,
            max_iters=self._snapshot.profile.running.max_iters,
        )


def schema(tool: Tool) -> Json:
    """A tool in the form chat models are told of it."""
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }
