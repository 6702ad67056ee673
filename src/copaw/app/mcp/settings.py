"""What one MCP client is made from: its configuration with every ``${VARIABLE}`` filled in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copaw.config.models import MCPClientConfig
from copaw.errors import BadInput
from copaw.ports import Json

CONNECT_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 600.0

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NOT_OF_THE_CONNECTION = {"name", "description", "enabled", "share"}
Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]


class ClientSettings(BaseModel):
    """How to reach one MCP server.

    :param share: whether agents with the same settings use one connection and one process together.
    :param connect_timeout_seconds: for starting the server, the handshake and the list of tools.
    :param call_timeout_seconds: for one tool call; a progress notification starts it anew.
    :param idle_timeout_seconds: a connection that nobody used for so long is closed until the next call;
        ``None`` keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    transport: Literal["stdio", "streamable_http", "sse"] = "stdio"
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str = ""
    share: bool = True
    connect_timeout_seconds: Seconds = CONNECT_TIMEOUT_S
    call_timeout_seconds: Seconds = CALL_TIMEOUT_S
    idle_timeout_seconds: Seconds | None = None

    def key(self, agent_id: str) -> str:
        """Equal for what may be one connection: a digest of everything that the connection depends on."""
        content = self.model_dump(exclude=_NOT_OF_THE_CONNECTION)
        if not self.share:
            content["agent_id"] = agent_id
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def checked(key: str, config: MCPClientConfig) -> ClientSettings:
    """The settings of a client as they are written, variables not filled in.

    :raises BadInput: the field at fault.
    """
    try:
        settings = ClientSettings.model_validate(config.model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in ("clients", key, *first["loc"]))
        raise BadInput(f"{field}: {first['msg']}", field=field) from None
    if settings.transport == "stdio":
        _require(settings.command, f"clients.{key}.command", "the command that starts the server is missing")
    else:
        _require(settings.url, f"clients.{key}.url", "the address of the server is missing")
        if not settings.url.startswith(("http://", "https://", "${")):
            raise BadInput(
                f"clients.{key}.url: an address begins with http:// or https://.", field=f"clients.{key}.url"
            )
    return settings


def resolved(key: str, config: MCPClientConfig, variables: Mapping[str, str]) -> ClientSettings:
    """The settings with every ``${NAME}`` and ``${NAME:-default}`` filled in.

    :raises BadInput: the field at fault, or the variable that is not set.
    """
    settings = checked(key, config)

    def filled(field: str, text: str) -> str:
        return fill(text, variables, field=f"clients.{key}.{field}")

    changed: Json = {
        "url": filled("url", settings.url),
        "command": filled("command", settings.command),
        "args": tuple(filled(f"args.{number}", text) for number, text in enumerate(settings.args)),
        "env": {name: filled(f"env.{name}", text) for name, text in settings.env.items()},
        "headers": {name: filled(f"headers.{name}", text) for name, text in settings.headers.items()},
        "cwd": filled("cwd", settings.cwd),
    }
    return settings.model_copy(update=changed)


def fill(text: str, variables: Mapping[str, str], *, field: str) -> str:
    """``text`` with its variables filled in. :raises BadInput: one is not set."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = variables.get(name) or default
        if found is None:
            raise BadInput(
                f"{field}: the variable {name} is not set. Set it in the environment of the server or in its secrets.",
                field=field,
            )
        return found

    return _VARIABLE.sub(value, text)


def is_reference(text: str) -> bool:
    """Whether a value is only the name of a variable, which is no secret."""
    return _VARIABLE.fullmatch(text) is not None


def _require(value: str, field: str, problem: str) -> None:
    if not value.strip():
        raise BadInput(f"{field}: {problem}.", field=field)
