"""The composition root: everything the server is made of, built once, handed to whoever needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copaw.aiokits.keyed import KeyedLocks
from copaw.aiokits.tasks import TaskOwner
from copaw.app.agent_sync import AgentSync
from copaw.app.background.service import TaskService
from copaw.app.background.store import MemoryTaskStore
from copaw.app.config_watch import ConfigWatcher
from copaw.app.dynamic_runner import DynamicMultiAgentRunner
from copaw.app.generation import Generations
from copaw.app.metrics import LifecycleMetrics
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.chat_books import ChatBooks
from copaw.app.runner.push_messages import PushMessages
from copaw.config.secrets import SecretFiles
from copaw.config.store import ConfigStore
from copaw.paths import Paths
from copaw.providers.store import ProviderStore

if TYPE_CHECKING:
    from copaw.providers.registry import ModelRegistry

logger = logging.getLogger(__name__)

SHUTDOWN_GRACE_S = 25.0


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
    tasks: TaskService
    chats: ChatBooks
    push: PushMessages
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


@asynccontextmanager
async def open_services(paths: Paths, *, shutdown_grace_s: float = SHUTDOWN_GRACE_S) -> AsyncIterator[Services]:
    """Read the configuration, start the agents, and end everything in order.

    The body runs at once; agents start in the background, because the engine takes seconds to import.

    :raises ConfigFileError: there is no usable ``config.json``.
    """
    config = ConfigStore(paths)
    await config.load()
    secrets = SecretFiles(paths.secret_dir)
    providers = ProviderStore(SecretFiles(paths.providers_dir))
    await asyncio.to_thread(providers.load)
    locks, push, registry, metrics = KeyedLocks(), PushMessages(), LazyRegistry(providers), LifecycleMetrics()
    generations = Generations(
        paths=paths, config=config, providers=providers, models=registry.get, locks=locks, push=push
    )
    manager = MultiAgentManager(
        read_snapshot=generations.read,
        open_resources=generations.open,
        changed_fields=generations.changed,
        observer=metrics,
    )
    metrics.watch(manager)
    chats = ChatBooks(lambda agent_id: generations.files(agent_id).chats_file)
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
        runner=DynamicMultiAgentRunner(manager, locks, chats),
        tasks=TaskService(MemoryTaskStore()),
        chats=chats,
        push=push,
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
        await services.tasks.aclose()
        await chats.flush()
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
