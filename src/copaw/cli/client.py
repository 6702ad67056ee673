"""The server's HTTP contract as typed calls, used by every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from copaw.cli.transport import ServerRefused, ServerSilent, Transport
from copaw.ports import Json

PROCESS = "/api/agent/process"


class Client:
    """One method an operation. Each raises what :meth:`Transport.call` raises.

    :param http: the way to the server; also decides which agent is meant.
    """

    def __init__(self, http: Transport) -> None:
        self.http = http

    def ready(self) -> bool:
        """Do all agents serve, or is it known why one does not?"""
        try:
            self.http.call("GET", "/readyz")
        except ServerRefused as refused:
            if refused.status == 503:
                return False
            raise
        return True

    # Agents

    def agents(self) -> Json:
        """``{"agents": [...]}``."""
        return _object(self.http.call("GET", "/api/agents"))

    def agent(self, agent_id: str) -> Json:
        """An agent's whole configuration."""
        return _object(self.http.call("GET", f"/api/agents/{_quoted(agent_id)}"))

    def save_agent(self, agent_id: str, profile: Json) -> None:
        self.http.call("PUT", f"/api/agents/{_quoted(agent_id)}", body=profile)

    def lifecycle(self, agent_id: str) -> Json:
        """Generations, leases and the last reload of one agent."""
        return _object(self.http.call("GET", f"/api/agents/{_quoted(agent_id)}/lifecycle"))

    def lifecycles(self) -> list[Json]:
        """The same for every agent."""
        answer = self.http.call("GET", "/api/lifecycle")
        return _objects(answer.get("agents") if isinstance(answer, dict) else answer)

    def reload(self, agent_id: str, *, wait: bool, timeout_s: float) -> Json:
        """Ask for a new generation. With ``wait`` the answer is the outcome."""
        path = f"/api/agents/{_quoted(agent_id)}/reload"
        return _object(self.http.call("POST", path, query={"wait": str(wait).lower()}, timeout_s=timeout_s))

    def preview_reload(self, agent_id: str, proposed: Json | None) -> Json:
        """What a reload would change, for these fields of ``agent.json``."""
        path = f"/api/agents/{_quoted(agent_id)}/reload"
        return _object(self.http.call("POST", path, query={"dry_run": "true"}, body=proposed))

    def version(self) -> str:
        """The version of the server."""
        return str(_object(self.http.call("GET", "/api/version"))["version"])

    # Runs and tasks

    def process(self, request: Json, *, timeout_s: float) -> Iterator[Json]:
        """Start a run and yield its events; ``timeout_s`` is for all of it."""
        return self.http.events(PROCESS, request, timeout_s=timeout_s)

    def submit(self, request: Json, *, timeout_s: float) -> Json:
        """Start a run in the background: ``{"task_id", "status", ...}``."""
        return _object(self.http.call("POST", f"{PROCESS}/task", body=request, timeout_s=timeout_s))

    def task(self, task_id: str) -> Json:
        """``{"status", "result"}``, or ``{"error"}`` for an unknown id."""
        return _object(self.http.call("GET", f"{PROCESS}/task/{_quoted(task_id)}"))

    # Chats

    def chats(self, user_id: str | None, channel: str | None) -> list[Json]:
        return _objects(self.http.call("GET", "/api/chats", query={"user_id": user_id, "channel": channel}))

    def chat(self, chat_id: str) -> Json:
        return _object(self.http.call("GET", f"/api/chats/{_quoted(chat_id)}"))

    def create_chat(self, spec: Json) -> Json:
        return _object(self.http.call("POST", "/api/chats", body=spec))

    def rename_chat(self, chat_id: str, name: str) -> Json:
        return _object(self.http.call("PUT", f"/api/chats/{_quoted(chat_id)}", body={"name": name}))

    def delete_chat(self, chat_id: str) -> Json:
        return _object(self.http.call("DELETE", f"/api/chats/{_quoted(chat_id)}"))

    # Models

    def providers(self) -> list[Json]:
        return _objects(self.http.call("GET", "/api/models"))

    def active_model(self) -> tuple[str, str] | None:
        """``(provider id, model id)`` of the server's active model, ``None`` when there is none."""
        match self.http.call("GET", "/api/models/active", query={"scope": "global"}):
            case {"active_llm": {"provider_id": str(provider_id), "model": str(model)}} if provider_id and model:
                return provider_id, model
        return None

    def set_active_model(self, provider_id: str, model: str) -> None:
        body = {"provider_id": provider_id, "model": model, "scope": "global"}
        self.http.call("PUT", "/api/models/active", body=body)

    def configure_provider(self, provider_id: str, changes: Json) -> None:
        """:param changes: ``api_key``, ``base_url``, ...; what is left out stays as it is."""
        self.http.call("PUT", f"/api/models/{_quoted(provider_id)}/config", body=changes)

    def add_provider(self, spec: Json) -> None:
        self.http.call("POST", "/api/models/custom-providers", body=spec)

    def remove_provider(self, provider_id: str) -> None:
        self.http.call("DELETE", f"/api/models/custom-providers/{_quoted(provider_id)}")

    def add_model(self, provider_id: str, model_id: str, name: str) -> None:
        self.http.call("POST", f"/api/models/{_quoted(provider_id)}/models", body={"id": model_id, "name": name})

    def remove_model(self, provider_id: str, model_id: str) -> None:
        self.http.call("DELETE", f"/api/models/{_quoted(provider_id)}/models/{_quoted(model_id)}")

    # Settings that reload an agent

    def setting(self, path: str) -> Any:
        """A settings document below ``/api``, such as ``agent/running-config``."""
        return self.http.call("GET", f"/api/{path}")

    def save_setting(self, path: str, document: object) -> None:
        self.http.call("PUT", f"/api/{path}", body=document)


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _object(answer: object) -> Json:
    if not isinstance(answer, dict):
        raise ServerSilent("The server's answer is not a JSON object; is it a copaw server?")
    return answer


def _objects(answer: object) -> list[Json]:
    if not isinstance(answer, list):
        raise ServerSilent("The server's answer is not a JSON list; is it a copaw server?")
    return [item for item in answer if isinstance(item, dict)]
