"""The composition root: everything the server is made of, built once, handed to whoever needs it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.tasks import TaskOwner
from copaw.app.agent_sync import AgentSync
from copaw.app.background.callbacks import Callbacks
from copaw.app.background.delegation import Delegation
from copaw.app.background.server_lock import lock_working_dir
from copaw.app.background.service import TaskService
from copaw.app.background.settings import store_opener, task_settings
from copaw.app.channels.registry import ChannelRegistry
from copaw.app.config_watch import ConfigWatcher
from copaw.app.crons.service import Crons
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
from copaw.config.secrets import SecretFiles
from copaw.config.store import ConfigStore
from copaw.paths import Paths
from copaw.providers.store import ProviderStore
from copaw.tools.agent_tasks import agent_tools

if TYPE_CHECKING:
    from copaw.providers.registry import ModelRegistry

logger = logging.getLogger(__name__)

SHUTDOWN_GRACE_S = 25.0
CALLBACK_SECRET_NAME = "callback_secret"


@dataclass(frozen=True, slots=True)
class Services:
    """What routers and the command line's server work with.

    :param ready: set when every agent that is enabled serves, or it is known why one does not.
    :param watching: set while edits of configuration files on disk are noticed.
    """

    paths: Paths
    secrets: SecretFiles
    config: ConfigStore
    providers: ProviderStore
    models: Callable[[], ModelRegistry]
    generations: Generations
    manager: MultiAgentManager
    runner: DynamicMultiAgentRunner
    channels: ChannelRegistry
    ingresses: Ingresses
    crons: Crons
    tasks: TaskService
    chats: ChatBooks
    push: PushMessages
    mcp: McpClients
    locks: KeyedLocks
    metrics: LifecycleMetrics
    ready: asyncio.Event
    watching: asyncio.Event
    shutdown_grace_s: float

    async def drain(self) -> None:
        """Refuse new work, let what runs finish within the shutdown grace, end the rest with its cause.

        Whoever runs the server awaits this before it closes connections, so that streams see their end and new
        requests an honest 503. Harmless when repeated.
        """
        await self.manager.stop_all(self.shutdown_grace_s)
        await self.tasks.settle()


@asynccontextmanager
async def open_services(paths: Paths, *, shutdown_grace_s: float = SHUTDOWN_GRACE_S) -> AsyncIterator[Services]:
    """Read the configuration, start the agents, and end everything in order.

    The body runs at once; agents start in the background, because the engine takes seconds to import.

    :raises ConfigFileError: there is no usable ``config.json``.
    :raises WorkingDirInUse: another server has this working directory.
    """
    lock = await asyncio.to_thread(lock_working_dir, paths.working_dir)
    try:
        async with _open_locked(paths, shutdown_grace_s) as services:
            yield services
    finally:
        lock.release()


@asynccontextmanager
async def _open_locked(paths: Paths, shutdown_grace_s: float) -> AsyncIterator[Services]:
    config = ConfigStore(paths)
    await config.load()
    secrets = SecretFiles(paths.secret_dir)
    providers = ProviderStore(SecretFiles(paths.providers_dir))
    await asyncio.to_thread(providers.load)
    locks, push, registry, metrics = KeyedLocks(), PushMessages(), LazyRegistry(providers), LifecycleMetrics()
    mcp = McpClients(secrets)
    delegation = Delegation(
        lambda: services.tasks,
        lambda agent_id: config.agent(agent_id).running.background_task_timeout_seconds,
        push.add,
    )
    generations = Generations(
        paths=paths, config=config, providers=providers, models=registry.get, locks=locks, push=push, mcp=mcp,
        further_tools=agent_tools(delegation),
    )  # fmt: skip
    channels, exclusive = ChannelRegistry.from_environment(paths), KeyedLocks()

    def make_ingress(agent_id: str) -> AgentIngress:
        def start(request: AgentRequest) -> Awaitable[Run]:
            return runner.start(request, agent_id, kind="channel", wait_for_session=True)

        def record(channel: str, user_id: str, session_id: str) -> Awaitable[None]:
            return config.record_last_dispatch(agent_id, channel=channel, user_id=user_id, session_id=session_id)

        return AgentIngress(
            agent_id, registry=channels, start=start, record=record, notify=push.add, resources=exclusive
        )

    ingresses = Ingresses(make_ingress)
    crons = make_crons(
        config,
        files=generations.files,
        start=lambda request, agent_id, kind: runner.start(request, agent_id, kind=kind, wait_for_session=True),
        send=lambda agent_id, *message: ingresses.of(agent_id).send(*message),
        notify=push.add,
    )
    manager = MultiAgentManager(
        read_snapshot=generations.read,
        open_resources=generations.open,
        changed_fields=generations.changed,
        make_ingress=lambda agent_id: CompositeIngress(agent_id, [ingresses.make(agent_id), crons.of(agent_id)]),
        observer=metrics,
    )
    metrics.watch(manager)
    chats = ChatBooks(lambda agent_id: generations.files(agent_id).chats_file)
    runner = DynamicMultiAgentRunner(manager, locks, chats)
    settings = await asyncio.to_thread(
        task_settings, paths.working_dir, os.environ, lambda agent_id: config.agent(agent_id).running.max_running_tasks
    )
    callbacks = Callbacks(partial(asyncio.to_thread, callback_secret, secrets, os.environ))
    sync = AgentSync(config, manager)
    watcher = ConfigWatcher(config, paths.config_file, agent_changed=sync.sync, root_changed=sync.sync_all)
    services = Services(
        paths=paths,
        secrets=secrets,
        config=config,
        providers=providers,
        models=registry.get,
        generations=generations,
        manager=manager,
        runner=runner,
        channels=channels,
        ingresses=ingresses,
        crons=crons,
        tasks=TaskService(store_opener(paths.working_dir, os.environ), runner, settings, callbacks),
        chats=chats,
        push=push,
        mcp=mcp,
        locks=locks,
        metrics=metrics,
        ready=asyncio.Event(),
        watching=watcher.armed,
        shutdown_grace_s=shutdown_grace_s,
    )
    owner = TaskOwner("services")
    owner.spawn(_start_agents(services), "start-agents")
    owner.spawn(watcher.run(), "watch-config")
    try:
        yield services
    finally:
        # Ordered: no new work, drain and end what runs, record how it ended, write what is unwritten, close clients.
        await services.drain()
        await owner.aclose()
        await crons.aclose()
        await delegation.aclose()
        await services.tasks.aclose()
        await chats.flush()
        await mcp.aclose()
        await registry.aclose()


async def _start_agents(services: Services) -> None:
    """Start every agent that is enabled; one that fails does not stop the others."""
    config = services.config
    enabled = [agent_id for agent_id in config.agent_ids() if config.ref(agent_id).enabled]
    started = [services.manager.start_agent(agent_id) for agent_id in enabled]
    if started:
        await asyncio.wait(started)
    logger.info("%d agents are ready", len(started))
    services.ready.set()


def callback_secret(files: SecretFiles, environ: Mapping[str, str]) -> bytes:
    """The key that signs callbacks: ``COPAW_CALLBACK_SECRET``, else one made on first use. Blocking."""
    secret = environ.get("COPAW_CALLBACK_SECRET") or files.read(CALLBACK_SECRET_NAME).get("secret")
    if not isinstance(secret, str) or not secret:
        secret = token_urlsafe(32)
        files.write(CALLBACK_SECRET_NAME, {"secret": secret})
    return secret.encode()


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
