"""Keeps one conversation within its model's window while a turn works on it.

Before each model call long tool results are shortened, and if the prompt is still too large, its older messages are
summarised by the model itself. Nothing is lost: the whole of a result is kept in a file, and so are the messages that
a summary stands for, before they leave the conversation. The conversation itself changes in one step without an
await, so that a cancellation finds it either as it was or as it should be.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentscope.memory import InMemoryMemory
from agentscope.message import Msg

from copaw.agents.context.plan import piece, plan_cut
from copaw.agents.context.settings import ContextSettings
from copaw.agents.context.shorten import result_text, shorten, with_text
from copaw.agents.context.summary import Summariser, with_heading, without_heading
from copaw.agents.context.tokens import TokenMeter, size_bytes
from copaw.agents.context.transcript import parts, transcript
from copaw.errors import PromptTooLong, sentence_of
from copaw.ports import Block, Compacted, Json

logger = logging.getLogger(__name__)

COMPRESSED = "compressed"
"""The mark of messages that CoPaw 1.0.2 left in a session although a summary stands for them."""
_WHOLE = "whole_result"
"""The field of a shortened result with the file and the bytes of the whole of it."""
_LAST_WORDS_BYTES = 2_000
_TRANSCRIPT_SHARE = 0.5
_TRIES = 4

Entry = tuple[Msg, list[str]]
"""A message and its marks, as a memory has them."""


class Records(Protocol):
    """Where what leaves a conversation is kept, and who is told of it."""

    async def keep_result(self, text: str) -> str:
        """Keep a tool's whole result; where it is, as the agent may read it."""

    async def keep_messages(self, entries: Sequence[Entry], summary: str) -> str:
        """Keep messages that a summary will stand for, and the summary before; the file, as the agent may read it."""

    def report(self, text: str) -> None:
        """Tell the user of something that went wrong."""


@dataclass(slots=True)
class _Sized:
    msg: Msg
    tokens: int


class ContextKeeper:
    """Works on one conversation for one turn.

    :param meter: shared by all turns on this model.
    """

    def __init__(self, settings: ContextSettings, meter: TokenMeter, summariser: Summariser, records: Records) -> None:
        self._settings = settings
        self._meter = meter
        self._summariser = summariser
        self._records = records
        self._sizes: dict[str, _Sized] = {}
        self._estimated = 0
        self._gave_up = False

    # -- before and after a model call ---------------------------------------------------------------------------

    async def fit(self, memory: InMemoryMemory, sys_prompt: str, schemas: Sequence[Json]) -> None:
        """Make the conversation fit, if it does not.

        A summary that cannot be made never ends the turn. What cannot be kept elsewhere stays in the conversation.
        """
        if self._gave_up:
            return
        try:
            await self._fit(memory, sys_prompt, schemas)
        except OSError as error:
            self._gave_up = True
            logger.error("a conversation could not be made shorter: %s", error)
            self._records.report(f"This conversation could not be made shorter: {error}")

    async def _fit(self, memory: InMemoryMemory, sys_prompt: str, schemas: Sequence[Json]) -> None:
        await self._shorten_results(memory)
        head = self._meter.text(sys_prompt) + self._meter.schemas(schemas)
        self._estimated = head + self._size(memory)
        settings = self._settings.in_estimates(self._meter.factor)
        if settings.enabled and self._estimated >= settings.threshold:
            await self._compact_older(memory, settings, head)
            self._estimated = head + self._size(memory)

    async def overflowed(self, memory: InMemoryMemory, sys_prompt: str, schemas: Sequence[Json]) -> bool:
        """The model does not take the prompt of the last :meth:`fit`: make it shorter. ``False`` if it is not."""
        before = self._estimated
        self._meter.overflowed(before, self._settings.window)
        await self.fit(memory, sys_prompt, schemas)
        return self._estimated < before

    def learn(self, reported: int) -> None:
        """The model has counted the prompt of the last :meth:`fit`."""
        self._meter.learn(self._estimated, reported)

    async def _compact_older(self, memory: InMemoryMemory, settings: ContextSettings, head: int) -> None:
        pieces = [piece(self._tokens(msg, marks), msg.content) for msg, marks in memory.content]
        request = self._request(memory, settings.reserve)
        taken = head + settings.reserve + sum(pieces[at].tokens for at in request)
        limit = max(settings.threshold - taken, 0)
        cut = plan_cut(pieces, reserve=settings.reserve, keep_recent=settings.keep_recent, limit=limit)
        staying = [memory.content[at] for at in request if at < cut]
        if cut == len(staying):
            return  # nothing would leave
        leaving = memory.content[:cut]
        try:
            notes = await self._notes(memory, leaving)
        except Exception as error:  # noqa: BLE001 - supervisor of the summary: the turn goes on without, and says so
            notes = self._without_summary(memory, leaving, error)
        await self._replace(memory, cut, notes, staying)

    def _request(self, memory: InMemoryMemory, max_tokens: int) -> list[int]:
        """Where the message is that is being worked on, unless it is long: a turn of many steps must not forget it."""
        for at in range(len(memory.content) - 1, -1, -1):
            msg, marks = memory.content[at]
            if msg.role == "user" and COMPRESSED not in marks:
                return [at] if self._tokens(msg, marks) <= max_tokens else []
        return []

    def _without_summary(self, memory: InMemoryMemory, leaving: Sequence[Entry], error: Exception) -> str:
        why = sentence_of(error)
        logger.warning("a conversation was cut without a summary: %s", why)
        self._records.report(f"The older part of this conversation could not be summarised and was left out: {why}")
        last = next((msg for msg, _ in reversed(leaving) if msg.role == "user"), None)
        words = shorten(result_text(last.content), _LAST_WORDS_BYTES) if last is not None else ""
        sections = [without_heading(memory._compressed_summary), f"[{len(leaving)} messages are not in these notes.]"]
        if words:
            sections.append(f"The user's last words in them:\n{words}")
        return self._summariser.bounded("\n\n".join(filter(None, sections)))

    # -- now -----------------------------------------------------------------------------------------------------

    async def compact(self, memory: InMemoryMemory, instructions: str = "") -> Compacted:
        """Summarise the whole conversation.

        :raises CopawError: the model failed; the conversation is as it was.
        :raises OSError: the messages cannot be kept; the conversation is as it was.
        """
        before, count = self._counted(memory), len(memory.content)
        if not count:
            return Compacted(0, before, before)
        notes = await self._notes(memory, memory.content, instructions)
        kept_in = await self._replace(memory, count, notes)
        return Compacted(count, before, self._counted(memory), kept_in)

    async def _notes(self, memory: InMemoryMemory, leaving: Sequence[Entry], instructions: str = "") -> str:
        texts = [
            text
            for msg, marks in leaving
            if COMPRESSED not in marks and (text := transcript(msg.role, msg.content, thinking=self._settings.thinking))
        ]
        notes = without_heading(memory._compressed_summary)
        for _ in range(_TRIES):
            tokens = int(self._settings.in_estimates(self._meter.factor).window * _TRANSCRIPT_SHARE)
            try:
                max_bytes = int(tokens * self._settings.divisor)
                return await self._summariser.summarise(notes, parts(texts, max_bytes), instructions)
            except PromptTooLong:
                self._meter.overflowed(tokens, self._settings.window)
        raise PromptTooLong

    async def _replace(self, memory: InMemoryMemory, count: int, notes: str, staying: Sequence[Entry] = ()) -> str:
        kept_in = await self._records.keep_messages(memory.content[:count], memory._compressed_summary)
        # Both at once: whoever saves the conversation sees it before or after, never in between.
        memory.content = [*staying, *memory.content[count:]]
        memory._compressed_summary = with_heading(notes, kept_in.rpartition("/")[0])
        logger.info("%d messages of a conversation were compacted; they are kept in %s", count, kept_in)
        return kept_in

    # -- tool results --------------------------------------------------------------------------------------------

    async def _shorten_results(self, memory: InMemoryMemory) -> None:
        settings = self._settings.tool_results
        if not settings.enabled:
            return
        seen = 0
        for at in range(len(memory.content) - 1, -1, -1):
            msg, marks = memory.content[at]
            if isinstance(msg.content, str):
                continue
            blocks: list[Block] = []
            for block in reversed(msg.content):
                if block.get("type") == "tool_result":
                    limit = settings.recent_max_bytes if seen < settings.recent_n else settings.old_max_bytes
                    seen += 1
                    blocks.append(await self._shortened(block, limit))
                else:
                    blocks.append(block)
            if any(new is not old for new, old in zip(reversed(blocks), msg.content, strict=True)):
                memory.content[at] = (_with_content(msg, blocks[::-1]), marks)

    async def _shortened(self, block: Block, max_bytes: int) -> Block:
        text = result_text(block.get("output") or "")
        if size_bytes(text) <= max_bytes:
            return block
        whole = block.get(_WHOLE) or {"file": await self._records.keep_result(text), "bytes": size_bytes(text)}
        shorter = shorten(text, max_bytes, whole["file"], whole["bytes"])
        if shorter == text:
            return block
        return {**block, "output": with_text(block["output"], shorter), _WHOLE: whole}

    # -- sizes ---------------------------------------------------------------------------------------------------

    def _size(self, memory: InMemoryMemory) -> int:
        messages = sum(self._tokens(msg, marks) for msg, marks in memory.content)
        return messages + self._meter.text(memory._compressed_summary)

    def _counted(self, memory: InMemoryMemory) -> int:
        """As the model would count it."""
        return int(self._size(memory) * self._meter.factor)

    def _tokens(self, msg: Msg, marks: Sequence[str]) -> int:
        if COMPRESSED in marks:
            return 0
        known = self._sizes.get(msg.id)
        if known is None or known.msg is not msg:
            known = self._sizes[msg.id] = _Sized(msg, self._meter.message(msg.content))
        return known.tokens


def _with_content(msg: Msg, content: list[Block]) -> Msg:
    """A message like ``msg``: whoever keeps the old one sees that it is another."""
    changed = Msg.from_dict({**msg.to_dict(), "content": content})
    changed.invocation_id = msg.invocation_id
    return changed
