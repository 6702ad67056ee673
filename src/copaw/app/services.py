"""The composition root: everything the server is made of, built once, handed to whoever needs it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.tasks import TaskOwner
from copaw.app.agent_sync import AgentSync
from copaw.app.authentication import Authentication
from copaw.app.background.callbacks import Callbacks, callback_secret
from copaw.app.background.delegation import Delegation
from copaw.app.background.notices import Notices
from copaw.app.background.records import Asker
from copaw.app.background.server_lock import lock_working_dir
from copaw.app.background.service import TaskService
from copaw.app.background.settings import TaskSettings, store_opener, task_settings
from copaw.app.background.tool_tasks import ToolCalls
from copaw.app.channels.registry import ChannelRegistry
from copaw.app.commands.wiring import make_commands
from copaw.app.config_watch import ConfigWatcher
from copaw.app.crons.wiring import make_crons
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.generation import Generations
from copaw.app.ingress.composite import CompositeIngress
from copaw.app.ingress.manager import AgentIngress, Ingresses
from copaw.app.mcp.clients import McpClients
from copaw.app.metrics import LifecycleMetrics
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.push_messages import PushMessages
from copaw.app.runner.request import AgentRequest
from copaw.app.runner.task_tracker import Run
from copaw.app.token_usage import TokenUsageBook
from copaw.app.tool_admin import ToolAdmin
from copaw.app.usage_report import usage_report
from copaw.config.envs import EnvFile
from copaw.config.secrets import SecretFiles
from copaw.config.store import ConfigStore
from copaw.paths import Paths
from copaw.providers.store import ProviderStore
from copaw.security.settings import AuthSettings
from copaw.tools.agent_tasks import agent_tools
from copaw.tools.get_token_usage import usage_tool

if TYPE_CHECKING:
    from copaw.providers.registry import ModelRegistry

logger = logging.getLogger(__name__)

SHUTDOWN_GRACE_S = 25.0

TURN_S, PAUSE_S = 0.1, 0.01
"""How long the start of an agent may hold up that of the next one; how long the server is left to others then."""


class Services:
    """What routers and the server work with. Made by :func:`open_services`.

    Parts are built in an order in which each finds what it needs. Three circles remain and are closed by methods
    that look a part up when they are called: ingress and timers start runs, delegated tools submit tasks.

    :param config: loaded, as are ``providers``.
    :param arrivals: told of requests that go before changes and reloads.
    :param shutdown_grace_s: seconds that work under way has to end by itself when the server shuts down.
    """

    def __init__(
        self,
        paths: Paths,
        config: ConfigStore,
        arrivals: Arrivals,
        providers: ProviderStore,
        task_settings: TaskSettings,
        shutdown_grace_s: float,
    ) -> None:
        self.paths = paths
        self.config = config
        self.arrivals = arrivals
        self.providers = providers
        self.shutdown_grace_s = shutdown_grace_s
        self.secrets = SecretFiles(paths.secret_dir)
        self.authentication = Authentication(self.secrets, AuthSettings.from_environment(os.environ))
        self.locks = KeyedLocks()
        self.push = PushMessages()
        self.metrics = LifecycleMetrics()
        self.registry = LazyRegistry(providers)
        self.models = self.registry.get
        self.envs = EnvFile(paths.secret_dir)
        self.mcp = McpClients(self.envs)
        self.delegation = Delegation(lambda: self.tasks, self._task_timeout_s)
        self.token_usage = TokenUsageBook(paths.token_usage_file)
        further = (*agent_tools(self.delegation), usage_tool(partial(usage_report, self.token_usage)))
        self.generations = Generations(
            paths=paths,
            config=config,
            arrivals=arrivals,
            providers=providers,
            models=self.models,
            record=self.token_usage.record,
            locks=self.locks,
            push=self.push,
            mcp=self.mcp,
            envs=self.envs,
            set_timezone=self.set_user_timezone,
            tool_tasks=ToolCalls(lambda: self.tasks, self._task_timeout_s),
            further_tools=further,
        )
        self.tools = ToolAdmin(config, further)
        self.channels = ChannelRegistry.from_environment(paths)
        self._exclusive = KeyedLocks()
        self.ingresses = Ingresses(self._channel_ingress)
        self.crons = make_crons(
            config, files=self.generations.files, start=self._start, send=self._send, notify=self.push.add
        )
        self.manager = MultiAgentManager(
            read_snapshot=self.generations.read,
            open_resources=self.generations.open,
            changed_fields=self.generations.changed,
            make_ingress=self._ingress,
            observer=self.metrics,
        )
        self.metrics.watch(self.manager)
        self.chats = ChatBooks(lambda agent_id: self.generations.files(agent_id).chats_file)
        self.commands = make_commands(self.manager, self.chats, self.locks, config, providers)
        self.runner = DynamicMultiAgentRunner(self.manager, self.locks, self.chats, self.commands, arrivals)
        self.tasks = TaskService(
            store_opener(paths.working_dir, os.environ),
            self.runner,
            task_settings,
            (
                Callbacks(partial(asyncio.to_thread, callback_secret, self.secrets, os.environ)),
                Notices(self._tell),
            ),
        )
        self.metrics.watch_tasks(self.tasks.counts)
        sync = AgentSync(config, self.manager)
        self.watcher = ConfigWatcher(config, paths.config_file, agent_changed=sync.sync, root_changed=sync.sync_all)
        self.ready = asyncio.Event()
        """Set when every agent that is enabled serves, or it is known why one does not."""
        self.watching = self.watcher.armed
        """Set while edits of configuration files on disk are noticed."""

    def _task_timeout_s(self, agent_id: str) -> float:
        return self.config.agent(agent_id).running.background_task_timeout_seconds

    async def set_user_timezone(self, name: str) -> None:
        """Set the user's time zone, an IANA name; tools and heartbeats follow at once."""
        await self.config.patch_root(lambda root: setattr(root, "user_timezone", name))
        await self.crons.timezone_changed()

    # -- ingress -------------------------------------------------------------------------------------------------

    def _ingress(self, agent_id: str) -> CompositeIngress:
        return CompositeIngress(agent_id, [self.ingresses.make(agent_id), self.crons.of(agent_id)])

    def _channel_ingress(self, agent_id: str) -> AgentIngress:
        return AgentIngress(
            agent_id,
            registry=self.channels,
            start=lambda request: self._start(request, agent_id, "channel"),
            record=lambda channel, user_id, session_id: self.config.record_last_dispatch(
                agent_id, channel=channel, user_id=user_id, session_id=session_id
            ),
            notify=self.push.add,
            resources=self._exclusive,
            is_command=self.commands.takes,
        )

    def _start(self, request: AgentRequest, agent_id: str, kind: str) -> Awaitable[Run]:
        return self.runner.start(request, agent_id, kind=kind, wait_for_session=True)

    def _send(self, agent_id: str, *message: str) -> Awaitable[None]:
        return self.ingresses.of(agent_id).send(*message)

    async def _tell(self, asker: Asker, text: str) -> bool:
        """Tell a conversation something: in the web console, or through the channel it is held in."""
        if self.manager.closing:
            return False  # Nobody would see it; the next start tells it.
        if asker.channel == "console":
            self.push.add(asker.session_id, text)
            return True
        await self.ready.wait()
        return await self.ingresses.of(asker.agent_id).post(asker.channel, asker.user_id, asker.session_id, text)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start_agents(self) -> None:
        """Start every agent that is enabled, the active one first; one that fails does not stop the others.

        They start one after the other, so that the server has time for those who want something of it. Whoever wants
        something of an agent that has not had its turn starts it then.
        """
        config = self.config
        enabled = [agent_id for agent_id in config.agent_ids() if config.ref(agent_id).enabled]
        enabled.sort(key=lambda agent_id: agent_id != config.root.agents.active_agent)
        started = [self.manager.start_agent(agent_id, later=True) for agent_id in enabled]
        if started:
            loop = asyncio.get_running_loop()
            for agent_id, outcome in zip(enabled, started, strict=True):
                begun = loop.time()
                self.manager.slot(agent_id).begin()
                # It may hang: the others do not wait for that.
                await asyncio.wait([outcome], timeout=TURN_S)
                await asyncio.sleep(min(loop.time() - begun, PAUSE_S))
            await asyncio.wait(started)
            await asyncio.wait([asyncio.ensure_future(slot.ingress_applied.wait()) for slot in self.manager.slots()])
        logger.info("%d agents are ready", len(started))
        self.ready.set()

    async def drain(self) -> None:
        """Refuse new work, let what runs finish within the shutdown grace, end the rest with its cause.

        Whoever runs the server awaits this before it closes connections, so that streams see their end and new
        requests an honest 503. Harmless when repeated.
        """
        await self.manager.stop_all(self.shutdown_grace_s)
        await self.tasks.settle()

    async def aclose(self) -> None:
        """After :meth:`drain`: record how what ran has ended, write what is unwritten, close clients."""
        await self.crons.aclose()
        await self.tasks.aclose()
        await self.chats.flush()
        await self.mcp.aclose()
        await self.generations.aclose()
        await self.registry.aclose()
        await self.token_usage.aclose()


@asynccontextmanager
async def open_services(paths: Paths, *, shutdown_grace_s: float = SHUTDOWN_GRACE_S) -> AsyncIterator[Services]:
    """Read the configuration, start the agents, and end everything in order.

    The body runs at once; agents start in the background, because the engine takes seconds to import.

    :raises ConfigFileError: there is no usable ``config.json``.
    :raises WorkingDirInUse: another server has this working directory.
    """
    lock = await asyncio.to_thread(lock_working_dir, paths.working_dir)
    try:
        arrivals = Arrivals()
        config = ConfigStore(paths, arrivals)
        await config.load()
        providers = await asyncio.to_thread(ProviderStore, SecretFiles(paths.providers_dir))
        await asyncio.to_thread(providers.load)
        settings = await asyncio.to_thread(
            task_settings, paths.working_dir, os.environ, lambda agent: config.agent(agent).running.max_running_tasks
        )
        services = Services(paths, config, arrivals, providers, settings, shutdown_grace_s)
        await services.authentication.open()
        async with TaskOwner("services") as owner:
            owner.spawn(services.start_agents(), "start-agents")
            owner.spawn(services.watcher.run(), "watch-config")
            try:
                yield services
            finally:
                await services.drain()
                await owner.aclose()
                await services.aclose()
    finally:
        lock.release()


class LazyRegistry:
    """Makes the model registry when it is first asked for, and closes it if it was."""

    def __init__(self, store: ProviderStore) -> None:
        self._store = store
        self._registry: ModelRegistry | None = None

    def get(self) -> ModelRegistry:
        if self._registry is None:
            from copaw.providers.registry import ModelRegistry

            self._registry = ModelRegistry(self._store)
        return self._registry

    async def aclose(self) -> None:
        if self._registry is not None:
            await self._registry.aclose()
