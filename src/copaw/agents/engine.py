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
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from agentscope.agent import ReActAgent
from agentscope.formatter import FormatterBase
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg

from copaw.agents.context.keeper import COMPRESSED, ContextKeeper
from copaw.agents.media import MediaView
from copaw.agents.messages import new_msg
from copaw.errors import EndReason, PromptTooLong
from copaw.ports import Block, Json, Tool, ToolContext, ToolResult
from copaw.providers.answer import CUT, Answer, Piece, Usage
from copaw.providers.chat_model import ChatModel

logger = logging.getLogger(__name__)

_SHORTER_PROMPTS = 3
"""How often a prompt that the model does not take is made shorter."""
_NO_MORE_STEPS = (
    "The number of steps allowed for this request is used up, so no more tools can be called. Answer now: say what was "
    "done and found out, and what is still open."
)

_TOO_LONG = (
    "This call was not made: the answer reached its greatest length before the arguments were complete. Make the call "
    "again with less at a time, for example in several parts."
)


class Speaker(Protocol):
    """Who hears what the agent says, as it says it."""

    def hear(self, heard: Iterable[Piece | Usage]) -> None:
        """What is new of the message in progress."""

    def finish(self) -> None:
        """The message in progress is complete."""

    def tool_result(self, call: Json, output: list[Block]) -> None:
        """A tool call has its result."""

    def usage(self, usage: Json) -> None:
        """Token counts of one model call."""


class CopawAgent(ReActAgent):  # type: ignore[misc]
    """One agent for one turn.

    :param schemas: the tools in the model's format, made once for a generation.
    :param origin: the key of the MCP server that a tool comes from; kept with its calls and results.
    :param media: turns the conversation into what the model is shown of it.
    :param keeper: keeps the memory within the model's window.
    :param save: persists the memory; awaited before every model call, so that whatever the model is told is on disk.
    :param end_reason: why the run was asked to end, if it was.
    """

    def __init__(
        self,
        *,
        name: str,
        sys_prompt: str,
        model: ChatModel,
        formatter: FormatterBase,
        memory: InMemoryMemory,
        tools: Mapping[str, Tool],
        schemas: list[Json],
        origin: Callable[[str], str | None],
        context: ToolContext,
        speaker: Speaker,
        media: MediaView,
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
        self._media = media
        self._keeper = keeper
        self._save = save
        self._end_reason = end_reason

    async def print(self, msg: Msg, last: bool = True, speech: Any = None) -> None:
        """How agentscope says a message. Nothing here does it that way; what might is heard once it is whole."""
        if last:
            texts = [block["text"] for block in msg.get_content_blocks("text")]
            self._speaker.hear(Piece(slot, "text", text) for slot, text in enumerate(texts))
            self._speaker.finish()

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
        for _ in range(_SHORTER_PROMPTS):
            try:
                return await self._say(await self._in_sight(), self._schemas, tool_choice)
            except PromptTooLong:
                if not await self._keeper.overflowed(self.memory, self.sys_prompt, self._schemas):
                    raise
                await self._save()
        return await self._say(await self._in_sight(), self._schemas, tool_choice)

    async def _summarizing(self) -> Msg:
        """The last word when ``max_iters`` is reached: what was found out, without tools."""
        self._check_wanted()
        await self._save()
        return await self._say([*await self._in_sight(), new_msg("user", _NO_MORE_STEPS, "user")], [], None)

    async def _in_sight(self) -> list[Msg]:
        """What the model is shown of the conversation."""
        messages: list[Msg] = await self.memory.get_memory(exclude_mark=COMPRESSED)
        return messages

    async def _say(self, messages: list[Msg], schemas: list[Json], tool_choice: str | None) -> Msg:
        shown = await self._media.of(messages)
        prompt = await self.formatter.format([new_msg("system", self.sys_prompt, "system"), *shown])
        answer = Answer()
        msg = new_msg(self.name, [], "assistant")
        try:
            async with aclosing(self.model.converse(prompt, schemas or None, tool_choice)) as said:
                async for heard in said:
                    answer.add(heard)
                    self._speaker.hear(heard)
        except asyncio.CancelledError:
            msg.content = self._cut_short(answer.blocks())
            await self.memory.add(msg)
            raise
        msg.content = answer.blocks()
        for block in msg.content:
            if block["type"] == "tool_use":
                self._mark(block)
        self._speaker.finish()
        if (usage := answer.usage) is not None:
            self._keeper.learn(usage.input_tokens)
            self._speaker.usage({"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens})
        await self.memory.add(msg)
        return msg

    def _mark(self, block: Json) -> Json:
        server = self._origin(block["name"])
        if server is not None:
            block["mcp_server"] = server
        return block

    def _note(self) -> str:
        reason = self._end_reason()
        return f"[{EndReason(reason).sentence}]" if reason else "[Ended before it was finished.]"

    def _cut_short(self, blocks: list[Block]) -> list[Block]:
        """What was said so far and a note; a tool call that was not complete is left out."""
        said = [block for block in blocks if block["type"] != "tool_use"]
        return [*said, {"type": "text", "text": self._note()}]

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
            await self.memory.add(new_msg("system", [self._mark(block)], "system"))
            self._speaker.tool_result(dict(tool_call), result.content)

    async def _call(self, tool_call: Json) -> ToolResult:
        self._check_wanted()
        tool = self._tools.get(tool_call["name"])
        if tool is None:
            known = ", ".join(sorted(self._tools)) or "none"
            return ToolResult.text(f"There is no tool named {tool_call['name']!r}. Tools: {known}.", is_error=True)
        if tool_call.get(CUT):
            return ToolResult.text(_TOO_LONG, is_error=True)
        await self._context.recorded()
        return await tool(self._context, tool_call["input"] or {})
