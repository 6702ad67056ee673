"""From what an MCP tool gave to what the model and the user get."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import mimetypes
import re
import time
import uuid
from pathlib import Path

from copaw.aiokits.files import write_atomic
from copaw.app.mcp.session import RemoteResult
from copaw.ports import Block, Json, ToolResult
from copaw.tools.output import HeadTail

KIB, MIB = 1024, 1024 * 1024
MAX_TEXT_BYTES = 64 * KIB
"""Of the texts of one result together; the rest is left out in the middle."""

MAX_INLINE_BYTES = 5 * MIB
"""Of one image or sound, in its base64 form; a larger one is only kept in a file."""

RESULTS_DIR = "tool_results"
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class Results:
    """Turns results into blocks, and keeps what is too long for the model in files of the workspace.

    :param workspace: the agent's directory.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    async def converted(self, tool: str, result: RemoteResult) -> ToolResult:
        """A result as the model gets it. :raises OSError: a file cannot be written."""
        blocks: list[Block] = []
        texts: list[str] = []
        for item in result.content:
            block, text = await self._item(tool, item)
            if text is not None:
                texts.append(text)
            if block is not None:
                blocks.append(block)
        if not result.content and result.structured is not None:
            texts.append(json.dumps(result.structured, ensure_ascii=False))
        return ToolResult([*await self._texts(tool, texts), *blocks], result.is_error)

    async def _texts(self, tool: str, texts: list[str]) -> list[Block]:
        if sum(map(len, texts)) * 4 <= MAX_TEXT_BYTES:
            return [{"type": "text", "text": text} for text in texts]
        return [{"type": "text", "text": await self._bounded(tool, "\n".join(texts))}]

    async def _bounded(self, tool: str, text: str) -> str:
        content = await asyncio.to_thread(text.encode, "utf-8", "replace")
        if len(content) <= MAX_TEXT_BYTES:
            return text
        kept = HeadTail(MAX_TEXT_BYTES)
        kept.feed(content)
        where = await self._keep(tool, content, ".txt")
        return (
            f"{kept.text()}\n\n[The result has {_size(len(content))} and is too long to show. "
            f"All of it is in {where}; read or search that file for what is missing.]"
        )

    async def _item(self, tool: str, item: Json) -> tuple[Block | None, str | None]:
        match item:
            case {"type": "text", "text": str(text)}:
                return None, text
            case {"type": "image" | "audio" as kind, "data": str(data)}:
                return await self._media(tool, kind, data, str(item.get("mimeType") or "application/octet-stream"))
            case {"type": "resource", "resource": {"text": str(text), "uri": uri}}:
                return None, f"[Resource {uri}]\n{text}"
            case {"type": "resource", "resource": {"blob": str(data)}}:
                return await self._blob(tool, data, item["resource"])
            case {"type": "resource_link"}:
                title = item.get("title") or item.get("name") or "without a name"
                about = f": {item['description']}" if item.get("description") else ""
                return None, f"[Resource {title} <{item.get('uri')}>{about}]"
            case _:
                return None, json.dumps(item, ensure_ascii=False)

    async def _blob(self, tool: str, data: str, resource: Json) -> tuple[Block | None, str | None]:
        media_type = str(resource.get("mimeType") or "application/octet-stream")
        kind = media_type.partition("/")[0]
        if kind in ("image", "audio"):
            return await self._media(tool, kind, data, media_type)
        return None, await self._kept_media(tool, data, media_type, f"Resource {resource.get('uri')}")

    async def _media(self, tool: str, kind: str, data: str, media_type: str) -> tuple[Block | None, str | None]:
        if len(data) > MAX_INLINE_BYTES:
            return None, await self._kept_media(tool, data, media_type, f"This {kind} is too large to show")
        return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}, None

    async def _kept_media(self, tool: str, data: str, media_type: str, what: str) -> str:
        try:
            content = await asyncio.to_thread(base64.b64decode, data)
        except binascii.Error:
            return f"[{what}: the server sent {media_type} that is not valid base64.]"
        where = await self._keep(tool, content, mimetypes.guess_extension(media_type) or ".bin")
        return f"[{what}: {media_type}, {_size(len(content))}, kept in {where}.]"

    async def _keep(self, tool: str, content: bytes, suffix: str) -> str:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{_NAME.sub('-', tool)[:60]}-{uuid.uuid4().hex[:8]}{suffix}"
        await asyncio.to_thread(write_atomic, self._workspace / RESULTS_DIR / name, content)
        return f"{RESULTS_DIR}/{name}"


def _size(count: int) -> str:
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{count / KIB:.1f} KiB"
