"""What a generation is made of, and how its configuration is read."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from copaw.agents.context.settings import ContextSettings
from copaw.agents.engine_imports import load_engine
from copaw.agents.local_files import LocalFiles
from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.keyed import KeyedLocks
from copaw.app.mcp.clients import McpClients
from copaw.app.mcp.toolset import AgentTools
from copaw.app.runner.hearing import Hearing
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.push_messages import PushMessages
from copaw.app.runner.received import Receiver
from copaw.app.runner.runner import AgentTurnRunner
from copaw.app.runner.session import SessionFiles
from copaw.app.workspace_lock import WorkspaceLocks
from copaw.config.digest import changed_fields, config_digest
from copaw.config.envs import EnvFile
from copaw.config.ineffective import ineffective
from copaw.config.models import ModelSlotConfig
from copaw.config.snapshot import AgentSnapshot
from copaw.config.store import ConfigStore
from copaw.errors import AgentDisabled, ModelNotConfigured
from copaw.paths import Paths, WorkspacePaths
from copaw.ports import Tool, ToolContext, Turn, TurnRunner
from copaw.providers.answer import Usage
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.store import ProviderStore
from copaw.tools.base import FunctionTool
from copaw.tools.in_background import BackgroundTool, ToolTasks, tool_task_tools
from copaw.tools.registry import enabled_tools

if TYPE_CHECKING:
    from copaw.agents.factory import AgentFactory
    from copaw.agents.media import MediaSettings
    from copaw.providers.registry import ModelRegistry

logger = logging.getLogger(__name__)

_ROUTING = frozenset({"llm_routing.enabled", "llm_routing.mode", "llm_routing.local", "llm_routing.cloud"})


class Generations:
    """Reads snapshots and opens what they describe.

    :param arrivals: requests that go before the making of a generation.
    :param tool_tasks: makes the calls of tools that are set to run beside the conversation.
    :param further_tools: tools that need more of the server than a context gives; switched off like the others.
    :param set_timezone: sets the user's time zone for everybody.
    :param record: told of the tokens of each call of an agent.
    :param models: answers the registry; called when the first generation is built, because it loads the engine.
    """

    def __init__(
        self,
        *,
        paths: Paths,
        config: ConfigStore,
        arrivals: Arrivals,
        providers: ProviderStore,
        models: Callable[[], ModelRegistry],
        record: Callable[[str, ModelSlot, Usage], None],
        locks: KeyedLocks,
        push: PushMessages,
        mcp: McpClients,
        envs: EnvFile,
        set_timezone: Callable[[str], Awaitable[None]],
        tool_tasks: ToolTasks,
        further_tools: Sequence[Tool] = (),
    ) -> None:
        self._paths = paths
        self._config = config
        self._arrivals = arrivals
        self._providers = providers
        self._models = models
        self._record = record
        self._locks = locks
        self._push = push
        self._mcp = mcp
        self._envs = envs
        self._hear = Hearing(config, models)
        self._set_timezone = set_timezone
        self._tool_tasks = tool_tasks
        self._further_tools = further_tools
        self._engine_loaded = False
        self._workspaces = WorkspaceLocks()

    async def aclose(self) -> None:
        """After the last generation was closed."""
        await self._workspaces.aclose()

    def files(self, agent_id: str) -> WorkspacePaths:
        """The files of an agent's workspace directory."""
        root = self._config.workspace_dir(agent_id)
        return WorkspacePaths(root, self._paths.chats_name, self._paths.jobs_name)

    async def read(self, agent_id: str) -> AgentSnapshot:
        """The agent's configuration as it is now, on disk too: whoever asks for a reload means what they see there.

        :raises CopawError: it is disabled, unknown or broken.
        """
        await self._config.reread_agent(agent_id)
        await self._arrivals.give_way()
        clients = await self._mcp.wanted(agent_id, self._config.agent(agent_id))
        if not self._config.ref(agent_id).enabled:
            raise AgentDisabled(agent_id)
        return self.snapshot_of(
            AgentSnapshot(
                agent_id=agent_id,
                revision=self._config.revision(agent_id),
                files=self.files(agent_id),
                profile=self._config.agent(agent_id),
                model=ModelSlotConfig(),
                digest="",
                clients=clients,
            )
        )

    def snapshot_of(self, draft: AgentSnapshot) -> AgentSnapshot:
        """``draft`` with the models its profile resolves to, and the digest of it all."""
        profile = draft.profile
        slots = self._providers.routes(profile.active_model, profile.llm_routing, self._config.root.agents.llm_routing)
        named = [part for slot in slots for part in (slot.provider_id, slot.model, self._providers.protocol(slot))]
        parts = (config_digest(profile), *named, str(draft.files.root), *draft.clients)
        model, *others = [ModelSlotConfig(provider_id=slot.provider_id, model=slot.model) for slot in slots]
        return replace(
            draft,
            model=model,
            other_models=tuple(others),
            digest=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
        )

    def changed(self, old: AgentSnapshot, new: AgentSnapshot) -> list[str]:
        """Dotted names of what differs between two snapshots."""
        names = changed_fields(old.profile, new.profile)
        if old.models != new.models and not {"active_model", *_ROUTING} & {*names}:
            names.append("active_model")
        if old.clients != new.clients and not any(name.split(".")[0] == "mcp" for name in names):
            names.append("mcp")
        return names

    @asynccontextmanager
    async def open(self, snapshot: AgentSnapshot) -> AsyncIterator[TurnRunner]:
        """Open one generation. Models, clients, session locks and the workspace are shared by all of them.

        :raises WorkspaceInUse: another server uses the workspace directory.
        """
        await self._arrivals.give_way()
        configured = snapshot.profile.tools.builtin_tools if snapshot.profile.tools is not None else {}
        switches = {name: tool.enabled for name, tool in configured.items()}
        own = enabled_tools(switches)
        further = [tool for tool in self._further_tools if switches.get(tool.name, True)]
        beside = {name for name, tool in configured.items() if tool.async_execution}
        builtin = [*offered(own, beside, self._tool_tasks), *further]
        async with (
            self._workspaces.held(snapshot.files.root),
            self._mcp.tools_for(snapshot.agent_id, snapshot.profile, builtin) as tools,
        ):
            factory = await self._factory(snapshot, tools)
            await self._arrivals.give_way()
            yield AgentTurnRunner(
                factory=factory,
                agent_name=snapshot.profile.name,
                sessions=SessionFiles(snapshot.files.sessions_dir),
                kept=KeptFiles(snapshot.files, snapshot.profile.running.tool_result_compact.retention_days),
                receive=Receiver(snapshot.files.media_dir, self._local_files(snapshot), self._hear),
                locks=self._locks,
                make_context=lambda turn: self._context(snapshot, turn),
                report=self._push.add,
                tools={tool.name: tool for tool in own},
            )

    async def _factory(self, snapshot: AgentSnapshot, tools: AgentTools) -> AgentFactory:
        if not self._engine_loaded:
            # It takes its time to import; the loop goes on answering meanwhile.
            await asyncio.to_thread(load_engine)
            self._engine_loaded = True
        from copaw.agents.factory import AgentFactory

        slots = [ModelSlot(slot.provider_id, slot.model) for slot in snapshot.models]
        running = snapshot.profile.running
        limits = LLMLimits.from_running(running.model_dump(), os.environ)
        context = ContextSettings.from_running(running, os.environ)
        for setting in ineffective(running):
            logger.warning("agent %s: %s has no effect: %s", snapshot.agent_id, setting.field, setting.why)
        bind = partial(self._models().routed_model, slots, limits, partial(self._record, snapshot.agent_id))
        factory = AgentFactory(snapshot, bind, tools, context, self._media(snapshot))
        try:
            await factory.bound()
        except ModelNotConfigured as error:
            # The agent serves all the same: each turn says what is missing, and history and settings stay in reach.
            logger.warning("agent %s has no usable model: %s", snapshot.agent_id, error.message)
        return factory

    def _local_files(self, snapshot: AgentSnapshot) -> LocalFiles:
        return LocalFiles((snapshot.files.root, self._paths.media_dir), (self._paths.secret_dir,))

    def _media(self, snapshot: AgentSnapshot) -> MediaSettings:
        from copaw.agents.media import MediaSettings

        return MediaSettings(
            self._local_files(snapshot),
            native_audio=lambda: self._config.root.agents.audio_mode == "native",
        )

    def _context(self, snapshot: AgentSnapshot, turn: Turn) -> ToolContext:
        return ToolContext(
            agent_id=snapshot.agent_id,
            workspace_dir=snapshot.files.root,
            session_id=turn.session_id,
            user_id=turn.user_id,
            channel=turn.channel,
            environ=turn.environ,
            variables=self._envs.for_children,
            user_timezone=lambda: self._config.root.user_timezone,
            set_user_timezone=self._set_timezone,
            progress=turn.progress,
            hold=turn.hold,
            recorded=turn.recorded,
        )


def offered(tools: Sequence[FunctionTool[Any]], beside: Collection[str], tasks: ToolTasks) -> list[Tool]:
    """The tools as the model has them: those in ``beside`` run in the background, with tools to look after that."""
    chosen: list[Tool] = [BackgroundTool(tool, tasks) if tool.name in beside else tool for tool in tools]
    in_use = any(tool.name in beside for tool in tools)
    return [*chosen, *tool_task_tools(tasks)] if in_use else chosen
