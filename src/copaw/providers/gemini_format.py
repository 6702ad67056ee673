"""Messages for Google's Gemini API: https://ai.google.dev/api/caching#Content."""

from __future__ import annotations

from collections.abc import Callable

from agentscope.formatter import FormatterBase
from agentscope.message import Msg

from copaw.ports import Block, Json
from copaw.providers.conversation import Senses, conversation


class GeminiFormatter(FormatterBase):  # type: ignore[misc]
    """:param senses: what the model takes now."""

    def __init__(self, senses: Callable[[], Senses] = Senses) -> None:
        self._senses = senses

    async def format(self, msgs: list[Msg]) -> list[Json]:
        """Contents of roles ``user`` and ``model``, after one of role ``system`` if there is a system prompt."""
        contents: list[Json] = []
        for turn in await conversation(msgs, self._senses()):
            role = {"assistant": "model", "tool": "user"}.get(turn.role, turn.role)
            if role == "system" and contents:
                role = "user"
            parts = [part for block in turn.blocks for part in _parts(block)]
            if not parts:
                continue
            if contents and contents[-1]["role"] == role:
                contents[-1]["parts"] += parts
            else:
                contents.append({"role": role, "parts": parts})
        return contents


def _parts(block: Block) -> list[Json]:
    match block:
        case {"type": "text", "text": str(text)}:
            return [_signed({"text": text}, block)]
        case {"type": "tool_use"}:
            return [_signed({"functionCall": {"name": block["name"], "args": block.get("input") or {}}}, block)]
        case {"type": "tool_result"}:
            response = {"name": block["name"], "response": {"result": block["text"]}}
            return [{"functionResponse": response}, *(part for media in block["media"] for part in _parts(media))]
        case {"data": str(data), "media_type": str(media_type)}:
            return [{"inlineData": {"mimeType": media_type, "data": data}}]
        case {"url": str(url), "media_type": str(media_type)}:
            return [{"fileData": {"mimeType": media_type, "fileUri": url}}]
        case _:
            return []  # thoughts are not sent back, only their signatures


def _signed(part: Json, block: Block) -> Json:
    signature = block.get("thought_signature")
    return {**part, "thoughtSignature": signature} if signature else part
