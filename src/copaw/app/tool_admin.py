"""The tools of one agent as people see and switch them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from copaw.config.models import AgentProfileConfig
from copaw.config.models.tools import BuiltinToolConfig, ToolsConfig
from copaw.config.store import ConfigStore
from copaw.errors import Conflict, NotFound, NotImplementedHere
from copaw.ports import Json
from copaw.tools.base import FunctionTool
from copaw.tools.registry import BUILTIN


class ToolAdmin:
    """Reads and changes the ``tools`` section of agents' configurations.

    :param further: tools that are made with the server. They can be switched off, and never run in the background.
    """

    def __init__(self, config: ConfigStore, further: Sequence[FunctionTool[Any]]) -> None:
        self._config = config
        self._builtin = {tool.name: tool for tool in BUILTIN}
        self._further = {tool.name: tool for tool in further}

    def shown(self, agent_id: str) -> list[Json]:
        """Every tool, with this agent's settings of it."""
        section = self._config.agent(agent_id).tools or ToolsConfig()
        return [self._info(settings) for settings in self._settings(section)]

    def _settings(self, section: ToolsConfig) -> Iterator[BuiltinToolConfig]:
        yield from section.builtin_tools.values()
        for name, tool in self._further.items():
            if name not in section.builtin_tools:
                yield BuiltinToolConfig(name=name, description=tool.description, icon=tool.icon)

    def _info(self, settings: BuiltinToolConfig) -> Json:
        tool = self._builtin.get(settings.name) or self._further.get(settings.name)
        return {
            "name": settings.name,
            "enabled": settings.enabled,
            "description": settings.description or (tool.description if tool is not None else ""),
            "async_execution": settings.async_execution,
            "icon": settings.icon or (tool.icon if tool is not None else None) or "🔧",
            "available": tool is not None,
        }

    async def toggle(self, agent_id: str, name: str) -> Json:
        """Switch a tool on or off for an agent.

        :raises NotFound: there is no such tool. :raises NotImplementedHere: this version does not have it.
        """
        self._check(agent_id, name)

        def change(settings: BuiltinToolConfig) -> None:
            settings.enabled = not settings.enabled

        return await self._change(agent_id, name, change)

    async def set_async(self, agent_id: str, name: str, value: bool) -> Json:
        """Let calls of a tool go on beside the conversation, or not.

        :raises NotFound, NotImplementedHere: as for :meth:`toggle`. :raises Conflict: it cannot run like that.
        """
        self._check(agent_id, name)
        if value and name not in self._builtin:
            raise Conflict(f"The tool '{name}' cannot run in the background.")

        def change(settings: BuiltinToolConfig) -> None:
            settings.async_execution = value

        return await self._change(agent_id, name, change)

    def _check(self, agent_id: str, name: str) -> None:
        if name in self._builtin or name in self._further:
            return
        known = [tool["name"] for tool in self.shown(agent_id)]
        if name in known:
            raise NotImplementedHere(f"The tool '{name}' is not available in this version.")
        raise NotFound(f"There is no tool '{name}'. Known tools: {', '.join(known)}.")

    async def _change(self, agent_id: str, name: str, change: Callable[[BuiltinToolConfig], None]) -> Json:
        def change_profile(profile: AgentProfileConfig) -> None:
            section = profile.tools or ToolsConfig()
            settings = {shown.name: shown for shown in self._settings(section)}[name]
            change(settings)
            section.builtin_tools[name] = settings
            profile.tools = section

        await self._config.patch_agent(agent_id, change_profile)
        return next(tool for tool in self.shown(agent_id) if tool["name"] == name)
