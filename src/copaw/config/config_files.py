"""The files behind the store: what is in force of each, and how a new state comes in force.

A new state is prepared first, with everything that has to be read for it, and then put in force in one step
without an await: nobody ever sees an agent that config.json names but whose agent.json was not looked at yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.files import set_aside, write_json_atomic
from copaw.config.changes import ChangeKind, ConfigChange
from copaw.config.json_file import ConfigFile, Snapshot, read_snapshot
from copaw.config.merge import same_json
from copaw.config.models.agent import AgentProfileConfig
from copaw.config.models.base import ConfigModel
from copaw.config.models.root import AgentProfileRef, RootConfig
from copaw.config.shared_parts import SharedParts
from copaw.errors import AgentNotFound, ConfigFileError, Conflict
from copaw.paths import Paths, WorkspacePaths

M = TypeVar("M", bound=ConfigModel)
AgentFile = ConfigFile[AgentProfileConfig]

_MAX_ATTEMPTS = 5


class ConfigFiles:
    """config.json and the agent.json of each of its profiles. Callers of coroutines hold the file's lock."""

    def __init__(self, paths: Paths, tell: Callable[[Iterable[ConfigChange]], None], arrivals: Arrivals) -> None:
        self.root = ConfigFile(paths.config_file, RootConfig, arrivals=arrivals)
        self.root_revision = 0
        self.revisions: dict[str, int] = {}  # kept when an agent goes, so that its id never counts backwards
        self._agents: dict[str, AgentFile] = {}
        self._refs: dict[str, AgentProfileRef] = {}
        self._paths = paths
        self._arrivals = arrivals
        self._parts = SharedParts()
        self._tell = tell

    def agent(self, agent_id: str) -> AgentFile:
        """:raises AgentNotFound: no such agent."""
        try:
            return self._agents[agent_id]
        except KeyError:
            raise AgentNotFound(agent_id) from None

    def directory(self, agent_id: str, ref: AgentProfileRef) -> Path:
        """The workspace directory that ``ref`` means, absolute."""
        return self._paths.workspace(agent_id, ref.workspace_dir)

    @asynccontextmanager
    async def locked(self, agent_id: str) -> AsyncIterator[AgentFile]:
        """The agent's file, locked, and still the agent's after the wait for the lock."""
        while True:
            file = self.agent(agent_id)
            async with file.lock:
                if self._agents.get(agent_id) is file:
                    yield file
                    return

    async def take_over_agent(self, agent_id: str, file: AgentFile) -> bool:
        """Put in force what is on disk; ``True`` if that changes anything."""
        return self._accept_agent(agent_id, file, await file.fetch())

    async def take_over_root(self) -> bool:
        """Put in force what is on disk; ``True`` if that changes anything."""
        return await self._accept_root(await self.root.fetch())

    async def patch_agent(
        self,
        agent_id: str,
        file: AgentFile,
        change: Callable[[AgentProfileConfig], None],
        expected_revision: int | None,
    ) -> int:
        async def accept(snapshot: Snapshot[AgentProfileConfig]) -> int:
            self._accept_agent(agent_id, file, snapshot)
            return self.revisions.get(agent_id, 0)

        return await _patch(file, change, accept, expected_revision)

    async def patch_root(self, change: Callable[[RootConfig], None], expected_revision: int | None) -> int:
        async def accept(snapshot: Snapshot[RootConfig]) -> int:
            await self._accept_root(snapshot)
            return self.root_revision

        return await _patch(self.root, change, accept, expected_revision)

    async def add_agent(self, ref: AgentProfileRef, profile: AgentProfileConfig) -> None:
        def change(root: RootConfig) -> None:
            self._refuse_known(ref.id, root)
            root.agents.profiles[ref.id] = ref
            if ref.id not in root.agents.agent_order:
                root.agents.agent_order.append(ref.id)

        await self.take_over_root()
        if self.root.snapshot is not None:
            self._refuse_known(ref.id, self.root.snapshot.model)
        path = WorkspacePaths(self.directory(ref.id, ref)).agent_file
        for other, file in self._agents.items():
            if file.path == path:
                raise Conflict(f"{path.parent} is the workspace of agent '{other}'. Choose another directory.")
        await asyncio.to_thread(write_profile, path, profile)
        await self.patch_root(change, None)

    @staticmethod
    def _refuse_known(agent_id: str, root: RootConfig) -> None:
        if agent_id in root.agents.profiles:
            raise Conflict(f"There is an agent '{agent_id}' already. Choose another id.")

    def _accept_agent(self, agent_id: str, file: AgentFile, snapshot: Snapshot[AgentProfileConfig]) -> bool:
        changed = file.adopt(snapshot)
        if changed and self._agents.get(agent_id) is file:  # it may have been removed or moved meanwhile
            self._tell([ConfigChange("agent", agent_id, self._bump(agent_id))])
        return changed

    async def _accept_root(self, snapshot: Snapshot[RootConfig]) -> bool:
        if self.root.means_the_same(snapshot):
            return self.root.adopt(snapshot)
        refs = {agent_id: ref.model_copy() for agent_id, ref in snapshot.model.agents.profiles.items()}
        opened = {
            agent_id: await self._open(agent_id, ref)
            for agent_id, ref in refs.items()
            if self._is_elsewhere(agent_id, ref)
        }
        # From here on without an await.
        self.root.adopt(snapshot)
        self.root_revision += 1
        self._agents = {agent_id: opened.get(agent_id) or self._agents[agent_id] for agent_id in refs}
        for agent_id, file in opened.items():
            if file.snapshot is not None:
                self._bump(agent_id)
        changes = [ConfigChange("root", "", self.root_revision), *self._agent_changes(refs, opened)]
        self._refs = refs
        self._tell(changes)
        return True

    def _agent_changes(self, refs: dict[str, AgentProfileRef], opened: dict[str, AgentFile]) -> list[ConfigChange]:
        changes = [self._change("removed", agent_id) for agent_id in self._refs if agent_id not in refs]
        for agent_id, ref in refs.items():
            old = self._refs.get(agent_id)
            if old is None:
                changes.append(self._change("added", agent_id))
                continue
            if agent_id in opened:
                changes.append(self._change("agent", agent_id))
            if ref.enabled != old.enabled:
                changes.append(self._change("enabled", agent_id))
        return changes

    def _change(self, kind: ChangeKind, agent_id: str) -> ConfigChange:
        return ConfigChange(kind, agent_id, self.revisions.get(agent_id, 0))

    def _bump(self, agent_id: str) -> int:
        self.revisions[agent_id] = self.revisions.get(agent_id, 0) + 1
        return self.revisions[agent_id]

    def _is_elsewhere(self, agent_id: str, ref: AgentProfileRef) -> bool:
        known = self._agents.get(agent_id)
        return known is None or known.path != WorkspacePaths(self.directory(agent_id, ref)).agent_file

    async def _open(self, agent_id: str, ref: AgentProfileRef) -> AgentFile:
        path = WorkspacePaths(self.directory(agent_id, ref)).agent_file
        file = ConfigFile(path, AgentProfileConfig, self._parts, self._arrivals)
        with suppress(ConfigFileError):  # kept as the file's problem; the other agents must not suffer
            file.adopt(await file.fetch())
        return file


async def _patch(
    file: ConfigFile[M],
    change: Callable[[M], None],
    accept: Callable[[Snapshot[M]], Awaitable[int]],
    expected_revision: int | None,
) -> int:
    for _ in range(_MAX_ATTEMPTS):
        revision = await accept(await file.fetch())  # an edit of somebody else comes first
        if expected_revision is not None and expected_revision != revision:
            raise Conflict(
                f"The change was made for revision {expected_revision} of {file.path.name}, which is now at "
                f"revision {revision}. Read it again and repeat the change."
            )
        written = await file.write(change)
        if written is not None:
            return await accept(written)
    raise Conflict(f"{file.path} is being written by somebody else all the time. Try again.")


def write_profile(path: Path, profile: AgentProfileConfig) -> None:
    """Write a new agent's agent.json. Blocking. Another one that is there already is set aside.

    :raises OSError: it cannot be written.
    """
    if path.exists():
        with suppress(ConfigFileError):
            present = read_snapshot(path, AgentProfileConfig).model
            if same_json(present.model_dump(), profile.model_dump()):
                return
        set_aside(path, "replaced")
    write_json_atomic(path, profile.model_dump())
