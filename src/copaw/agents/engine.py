"""The agent itself: agentscope's ReAct loop with our tools, our stream and our idea of a cancellation.

agentscope answers every cancellation with "the user has interrupted". Here a cancellation goes through: what was
said so far is kept, a tool call in flight gets a result that names the true cause, and ``CancelledError`` reaches
the run that owns this agent.

A cancellation is an edge, and whatever runs below a turn may lose it: an exception raised while it unwinds takes its
place. The cause on the lease is a level. It is looked at before each step, so that a run that was asked to end takes
no further one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from agentscope.agent import ReActAgent
from agentscope.formatter import FormatterBase
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg
from agentscope.model import ChatModelBase

from copaw.agents.context.keeper import COMPRESSED, ContextKeeper
from copaw.errors import EndReason
from copaw.ports import Block, Json, Tool, ToolContext, ToolResult

logger = logging.getLogger(__name__)


class Speaker(Protocol):
    """Who hears what the agent says, as it says it."""

    def say(self, blocks: Sequence[Block], *, last: bool) -> None:
        """The content of the message in progress, whole so far; ``last`` when it is complete."""

    def tool_result(self, call: Json, output: list[Block]) -> None:
        """A tool call has its result."""

    def usage(self, usage: Json) -> None:
        """Token counts of one model call."""


class CopawAgent(ReActAgent):  # type: ignore[misc]
    """One agent for one turn.

    :param schemas: the tools in the model's format, made once for a generation.
    :param origin: the key of the MCP server that a tool comes from; kept with its calls and results.
    :param keeper: keeps the memory within the model's window.
    :param save: persists the memory; awaited before every model call, so that whatever the model is told is on disk.
    :param end_reason: why the run was asked to end, if it was.
    """

    def __init__(
        self,
        *,
        name: str,
        sys_prompt: str,
        model: ChatModelBase,
        formatter: FormatterBase,
        memory: InMemoryMemory,
        tools: Mapping[str, Tool],
        schemas: list[Json],
        origin: Callable[[str], str | None],
        context: ToolContext,
        speaker: Speaker,
        keeper: ContextKeeper,
        save: Callable[[], Awaitable[None]],
        end_reason: Callable[[], str | None],
        max_iters: int,
    ) -> None:
        super().__init__(
            name=name,
            sys_prompt=sys_prompt,
            model=model,
            formatter=formatter,
            memory=memory,
            max_iters=max_iters,
        )
        self._tools = tools
        self._schemas = schemas
        self._origin = origin
        self._context = context
        self._speaker = speaker
        self._keeper = keeper
        self._save = save
        self._end_reason = end_reason

    async def print(self, msg: Msg, last: bool = True, speech: Any = None) -> None:
        """Say it to the speaker; agentscope's own loop calls this for its summary."""
        self._speaker.say(msg.get_content_blocks(), last=last)

    async def handle_interrupt(self, *args: Any, **kwargs: Any) -> Msg:
        """Let a cancellation through: its cause is known to the run, not to the agent."""
        raise asyncio.CancelledError

    def _check_wanted(self) -> None:
        if (reason := self._end_reason()) is not None:
            logger.warning(
                "session %s: a cancellation (%s) was lost; the run ends here", self._context.session_id, reason
            )
            raise asyncio.CancelledError(reason)

    async def _compress_memory_if_needed(self) -> None:
        """agentscope's own place for it: before each round of thinking."""
        await self._keeper.fit(self.memory, self.sys_prompt, self._schemas)

    async def _reasoning(self, tool_choice: Any = None) -> Msg:
        self._check_wanted()
        await self._save()
        said = await self.memory.get_memory(exclude_mark=COMPRESSED)
        prompt = await self.formatter.format([Msg("system", self.sys_prompt, "system"), *said])
        msg = Msg(self.name, [], "assistant")
        try:
            usage = await self._stream(msg, prompt, tool_choice)
        except asyncio.CancelledError:
            await self.memory.add(self._cut_short(msg))
            raise
        for block in msg.content:
            if block["type"] == "tool_use":
                self._mark(block)
        self._speaker.say(msg.content, last=True)
        if usage is not None:
            self._keeper.learn(usage.input_tokens)
            self._speaker.usage({"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens})
        await self.memory.add(msg)
        return msg

    async def _stream(self, msg: Msg, prompt: list[Json], tool_choice: Any) -> Any:
        usage = None
        answer = await self.model(prompt, tools=self._schemas or None, tool_choice=tool_choice)
        if not self.model.stream:
            msg.content = list(answer.content)
            return answer.usage
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                msg.content = chunk.content
                usage = chunk.usage or usage
                self._speaker.say(chunk.content, last=False)
        return usage

    def _mark(self, block: Json) -> Json:
        server = self._origin(block["name"])
        if server is not None:
            block["mcp_server"] = server
        return block

    def _note(self) -> str:
        reason = self._end_reason()
        return f"[{EndReason(reason).sentence}]" if reason else "[Ended before it was finished.]"

    def _cut_short(self, msg: Msg) -> Msg:
        """What was said so far and a note; a tool call that was not complete is left out."""
        said = [block for block in msg.content if block["type"] != "tool_use"]
        msg.content = [*said, {"type": "text", "text": self._note()}]
        return msg

    async def _acting(self, tool_call: Any) -> None:
        result = ToolResult.text(self._note(), is_error=True)
        try:
            result = await self._call(tool_call)
        except asyncio.CancelledError:
            result = ToolResult.text(self._note(), is_error=True)
            raise
        finally:
            block = {
                "type": "tool_result",
                "id": tool_call["id"],
                "name": tool_call["name"],
                "output": result.content,
            }
            await self.memory.add(Msg("system", [self._mark(block)], "system"))
            self._speaker.tool_result(dict(tool_call), result.content)

    async def _call(self, tool_call: Json) -> ToolResult:
        self._check_wanted()
        tool = self._tools.get(tool_call["name"])
        if tool is None:
            known = ", ".join(sorted(self._tools)) or "none"
            return ToolResult.text(f"There is no tool named {tool_call['name']!r}. Tools: {known}.", is_error=True)
        return await tool(self._context, tool_call["input"] or {})
