"""What a generation keeps ready so that a turn has little left to build."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from agentscope.formatter import FormatterBase
from agentscope.memory import InMemoryMemory
from agentscope.model import ChatModelBase

from copaw.agents.engine import CopawAgent, Speaker
from copaw.agents.prompt import PromptFiles, environment_section
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import ModelNotConfigured
from copaw.ports import Json, Tool, ToolContext


class AgentFactory:
    """Makes agents of one generation: the model, the tools and their schemas are shared by all of them.

    :param model: or why there is none; then every turn fails with that.
    """

    def __init__(
        self,
        snapshot: AgentSnapshot,
        model: ChatModelBase | ModelNotConfigured,
        formatter: FormatterBase | None,
        tools: Sequence[Tool],
    ) -> None:
        self._snapshot = snapshot
        self._model = model
        self._formatter = formatter
        self._tools = {tool.name: tool for tool in tools}
        self._schemas = [schema(tool) for tool in tools]
        self._prompt = PromptFiles(snapshot.files.root, snapshot.profile.system_prompt_files)

    async def make(
        self,
        memory: InMemoryMemory,
        context: ToolContext,
        speaker: Speaker,
        save: Callable[[], Awaitable[None]],
        end_reason: Callable[[], str | None],
    ) -> CopawAgent:
        """An agent for one turn on ``memory``.

        :raises ModelNotConfigured: this generation has no usable model; the message says what to do.
        """
        if isinstance(self._model, ModelNotConfigured):
            raise ModelNotConfigured(self._model.message)
        prompt = await asyncio.to_thread(self._prompt.read)
        where = environment_section(
            agent_id=context.agent_id,
            workspace_dir=context.workspace_dir,
            session_id=context.session_id,
            user_id=context.user_id,
            channel=context.channel,
        )
        return CopawAgent(
            name=self._snapshot.profile.name,
            sys_prompt=f"{prompt}\n\n{where}",
            model=self._model,
            formatter=self._formatter,
            memory=memory,
            tools=self._tools,
            schemas=self._schemas,
            context=context,
            speaker=speaker,
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
