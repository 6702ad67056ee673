"""The MCP clients of an agent as people see and change them. Secrets are masked on the way out."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from copaw.app.mcp.client import McpClient
from copaw.app.mcp.clients import clients_of
from copaw.app.mcp.settings import checked, is_reference
from copaw.config.models import AgentProfileConfig, MCPClientConfig, MCPConfig
from copaw.config.secrets import mask
from copaw.config.store import ConfigStore
from copaw.errors import BadInput, Conflict, NotFound
from copaw.ports import Json

SECRET_FIELDS = ("env", "headers")


def client_config(profile: AgentProfileConfig, key: str) -> MCPClientConfig:
    """One client's configuration. :raises NotFound: there is none; the message lists those there are."""
    clients = clients_of(profile)
    if key not in clients:
        known = ", ".join(clients) or "none"
        raise NotFound(f"There is no MCP client '{key}'. Known clients: {known}.")
    return clients[key]


def shown(key: str, config: MCPClientConfig, client: McpClient | None) -> Json:
    """A client with its secrets masked and its present state."""
    document = config.model_dump()
    for field in SECRET_FIELDS:
        document[field] = {name: masked(value) for name, value in document[field].items()}
    return {"key": key, **document, **state_of(config, client)}


def state_of(config: MCPClientConfig, client: McpClient | None) -> Json:
    """``status`` and what belongs to it."""
    if client is None:
        status = "disabled" if not config.enabled else "closed"
        return {"status": status, "last_error": None, "tool_count": 0, "calls": 0, "sessions": 0, "retry_in": None}
    found = client.status()
    return {
        "status": found.state.value,
        "since": found.since,
        "last_error": found.last_error,
        "tool_count": found.tools,
        "calls": found.calls,
        "sessions": found.sessions,
        "retry_in": found.retry_in_s,
    }


def masked(value: str) -> str:
    """A value for display. The name of a variable is no secret."""
    return value if is_reference(value) else mask(value)


async def create(config: ConfigStore, agent_id: str, key: str, body: Json) -> MCPClientConfig:
    """Add a client. :raises Conflict: the key is taken. :raises BadInput: it is not valid."""
    if not key.strip() or "/" in key:
        raise BadInput("client_key: a key is a name without /.", field="client_key")
    made = _made(key, {"name": key, **_given(body)})

    def change(profile: AgentProfileConfig) -> None:
        clients = clients_of(profile)
        if key in clients:
            raise Conflict(f"There is an MCP client '{key}' already. Change it, or choose another key.")
        _put(profile, {**clients, key: made})

    await config.patch_agent(agent_id, change)
    return made


async def update(config: ConfigStore, agent_id: str, key: str, body: Json) -> MCPClientConfig:
    """Change the fields of a client that ``body`` has; ``null`` leaves a field as it is.

    A masked secret that is sent back keeps the stored one.

    :raises NotFound: there is none. :raises BadInput: the result is not valid.
    """

    def change(profile: AgentProfileConfig) -> None:
        stored = client_config(profile, key)
        given = _given(body)
        for field in SECRET_FIELDS:
            if isinstance(given.get(field), dict):
                given[field] = _unmasked(given[field], stored.model_dump()[field])
        # Mappings are replaced as a whole, so that a variable can be removed.
        changed = _made(key, {**stored.model_dump(), **given})
        _put(profile, {**clients_of(profile), key: changed})

    await config.patch_agent(agent_id, change)
    return client_config(config.agent(agent_id), key)


async def toggle(config: ConfigStore, agent_id: str, key: str) -> MCPClientConfig:
    """Switch a client on or off. :raises NotFound: there is none. :raises BadInput: it cannot be switched on."""

    def change(profile: AgentProfileConfig) -> None:
        stored = client_config(profile, key)
        changed = _made(key, {**stored.model_dump(), "enabled": not stored.enabled})
        _put(profile, {**clients_of(profile), key: changed})

    await config.patch_agent(agent_id, change)
    return client_config(config.agent(agent_id), key)


async def delete(config: ConfigStore, agent_id: str, key: str) -> None:
    """Remove a client. :raises NotFound: there is none."""

    def change(profile: AgentProfileConfig) -> None:
        client_config(profile, key)
        _put(profile, {name: client for name, client in clients_of(profile).items() if name != key})

    await config.patch_agent(agent_id, change)


def _put(profile: AgentProfileConfig, clients: Mapping[str, MCPClientConfig]) -> None:
    document = profile.mcp.model_dump() if profile.mcp is not None else {}
    document["clients"] = {key: client.model_dump() for key, client in clients.items()}
    profile.mcp = MCPConfig.model_validate(document)


def _given(body: Json) -> Json:
    state = ("key", "status", "since", "last_error", "tool_count", "calls", "sessions", "retry_in")
    return {name: value for name, value in body.items() if value is not None and name not in state}


def _made(key: str, document: Json) -> MCPClientConfig:
    """:raises BadInput: the field at fault. What is switched off may be incomplete."""
    try:
        config = MCPClientConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in ("clients", key, *first["loc"]))
        raise BadInput(f"{field}: {first['msg']}", field=field) from None
    if config.enabled:
        checked(key, config)
    return config


def _unmasked(given: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    return {
        name: stored[name] if name in stored and stored[name] and value == masked(stored[name]) else value
        for name, value in given.items()
    }
