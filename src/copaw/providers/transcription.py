"""Sound to text by OpenAI's ``audio/transcriptions``, as OpenAI and those who imitate it speak it.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import secrets
from collections.abc import Mapping
from pathlib import Path

from copaw.errors import BadInput
from copaw.providers.failures import CallFailure, NotTheProtocol, explain
from copaw.providers.models import ProviderInfo
from copaw.providers.transport import HttpRequest, Transport

MAX_SOUND_BYTES = 25 * 1024 * 1024
"""What OpenAI takes."""
_TIMEOUT_S = 180.0
_MAX_ANSWER_BYTES = 1024 * 1024


async def transcribe(transport: Transport, info: ProviderInfo, address: str, model: str, path: Path) -> str:
    """What is said in a file.

    :param address: where the provider speaks OpenAI's protocol.
    :raises BadInput: the file is too large.
    :raises ModelError: the call failed.
    """
    sound = await asyncio.to_thread(_read, path)
    body, content_type = _form({"model": model, "response_format": "json"}, path.name, sound)
    headers = {"Content-Type": content_type, "Accept": "application/json"}
    if info.api_key:
        headers["Authorization"] = f"Bearer {info.api_key}"
    request = HttpRequest("POST", f"{address}/audio/transcriptions", headers, body, read_timeout_s=_TIMEOUT_S)
    try:
        async with transport.send(request) as reply:
            return _text(await reply.read(_MAX_ANSWER_BYTES))
    except CallFailure as error:
        raise explain(error, info, model) from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_SOUND_BYTES + 1)
    if len(data) > MAX_SOUND_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_SOUND_BYTES // 1024**2} MiB.")
    return data


def _text(answer: bytes) -> str:
    try:
        text = json.loads(answer)["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotTheProtocol("it has no text") from error
    if not isinstance(text, str):
        raise NotTheProtocol("its text is none")
    return text.strip()


def _form(fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A ``multipart/form-data`` body (RFC 7578), and its content type."""
    boundary = secrets.token_hex(16)
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\' else "_" for sign in name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    heads = [(f'name="{field}"', value.encode()) for field, value in fields.items()]
    heads.append((f'name="file"; filename="{plain}"\r\nContent-Type: {kind}', content))
    parts = [
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), value)
        for head, value in heads
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
