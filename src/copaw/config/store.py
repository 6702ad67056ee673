"""The configuration in memory: one snapshot of ``config.json`` and of each ``agent.json``.

Reading never touches the disk. A change is made on a copy of what is on disk *now*, checked as a whole, written
in one piece and only then published, under a lock of its own file; so two changes of different sections are both
kept, whoever made them. A file that does not validate is never written over: the last good state stays in force.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from copaw.aiokits.arrivals import Arrivals
from copaw.config.changes import ConfigChange, Subscribers
from copaw.config.config_files import ConfigFiles
from copaw.config.digest import config_digest
from copaw.config.json_file import ConfigFile
from copaw.config.models.agent import AgentProfileConfig
from copaw.config.models.root import AgentProfileRef, RootConfig
from copaw.config.models.run_state import LastApiConfig, LastDispatchConfig
from copaw.config.run_state import RunStateFile, runtime_file
from copaw.config.shielded import to_the_end
from copaw.errors import AgentNotFound, BadInput, ConfigFileError, CopawError, LifecycleBug
from copaw.paths import Paths


class ConfigStore:
    """Everything that is configured. Used from one event loop; models that it hands out must not be changed.

    :param arrivals: requests that go before changes of the configuration; none if omitted.
    """

    def __init__(self, paths: Paths, arrivals: Arrivals | None = None) -> None:
        self.paths = paths
        self._run_state = RunStateFile(runtime_file(paths))
        self._subscribers = Subscribers()
        self._files = ConfigFiles(paths, self._subscribers.tell, arrivals or Arrivals())

    # -- reading ----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read all files. A broken agent.json is recorded (see :meth:`problem`) and does not stop the others.

        :raises ConfigFileError: config.json is missing or broken.
        """
        await self._run_state.load()
        await self.reread_root()

    @property
    def root(self) -> RootConfig:
        """config.json. Not to be changed."""
        snapshot = self._files.root.snapshot
        if snapshot is None:
            raise LifecycleBug("The configuration was used before it was loaded.")
        return snapshot.model

    @property
    def root_revision(self) -> int:
        """Counts the accepted changes of config.json."""
        return self._files.root_revision

    def agent_ids(self) -> list[str]:
        """All agents, disabled and broken ones too: ``agent_order`` first, then as in ``profiles``."""
        agents = self.root.agents
        in_order = dict.fromkeys([*agents.agent_order, *agents.profiles])
        return [agent_id for agent_id in in_order if agent_id in agents.profiles]

    def ref(self, agent_id: str) -> AgentProfileRef:
        """Where an agent lives and whether it is enabled. :raises AgentNotFound: no such agent."""
        try:
            return self.root.agents.profiles[agent_id]
        except KeyError:
            raise AgentNotFound(agent_id) from None

    def workspace_dir(self, agent_id: str) -> Path:
        """The agent's directory, absolute. :raises AgentNotFound: no such agent."""
        return self._files.directory(agent_id, self.ref(agent_id))

    def agent(self, agent_id: str) -> AgentProfileConfig:
        """The last good agent.json of an agent. Not to be changed.

        :raises AgentNotFound: no such agent.
        :raises ConfigFileError: the file is broken and there was no good state of it yet.
        """
        file = self._files.agent(agent_id)
        if file.snapshot is None:
            raise _again(file)
        return file.snapshot.model

    def problem(self, agent_id: str) -> ConfigFileError | None:
        """Why the agent.json on disk could not be used when it was last read; ``None`` if it could."""
        return self._files.agent(agent_id).problem

    def revision(self, agent_id: str) -> int:
        """Counts the accepted changes of an agent.json; 0 if it was never readable. Never goes back."""
        self.ref(agent_id)
        return self._files.revisions.get(agent_id, 0)

    def digest(self, agent_id: str) -> str:
        """See :func:`copaw.config.digest.config_digest`. Raises as :meth:`agent`."""
        return config_digest(self.agent(agent_id))

    def subscribe(self, callback: Callable[[ConfigChange], None]) -> Callable[[], None]:
        """Be told of each change after it is in force. Returns what ends the subscription."""
        return self._subscribers.add(callback)

    # -- taking over edits of files ---------------------------------------------------------------------------

    async def reread_agent(self, agent_id: str) -> bool:
        """Take over the agent.json on disk; ``True`` if it says something else than before.

        :raises AgentNotFound: no such agent.
        :raises ConfigFileError: it is missing or not valid; the last good state stays in force.
        """
        async with self._files.locked(agent_id) as file:
            work = self._files.take_over_agent(agent_id, file)
            return await to_the_end(work, name=f"config:reread:{agent_id}")

    async def reread_root(self) -> bool:
        """Take over the config.json on disk, with the agents that came, went or moved.

        :raises ConfigFileError: it is missing or not valid; the last good state stays in force.
        """
        async with self._files.root.lock:
            return await to_the_end(self._files.take_over_root(), name="config:reread:root")

    # -- changing ---------------------------------------------------------------------------------------------

    async def patch_agent(
        self,
        agent_id: str,
        change: Callable[[AgentProfileConfig], None],
        *,
        expected_revision: int | None = None,
    ) -> int:
        """Change an agent.json and return its revision, which is the former one if nothing really changed.

        :param change: edits the model it is given, in place. It may be called again on a fresher copy when
            somebody else writes the file at the same time.
        :param expected_revision: the revision the change was made for; ``None`` takes any.
        :raises AgentNotFound: no such agent.
        :raises BadInput: the result is not valid, with the dotted path of the field; nothing was written.
        :raises Conflict: the file has another revision than expected, or is being written all the time.
        :raises ConfigFileError: the file on disk is broken or cannot be written; it is left as it is.

        When cancelled, a write that has begun is finished first.
        """
        async with self._files.locked(agent_id) as file:
            work = self._files.patch_agent(agent_id, file, change, expected_revision)
            return await to_the_end(work, name=f"config:patch:{agent_id}")

    async def patch_root(self, change: Callable[[RootConfig], None], *, expected_revision: int | None = None) -> int:
        """Change config.json; otherwise as :meth:`patch_agent`."""
        async with self._files.root.lock:
            work = self._files.patch_root(change, expected_revision)
            return await to_the_end(work, name="config:patch:root")

    async def add_agent(self, ref: AgentProfileRef, profile: AgentProfileConfig) -> None:
        """Write the agent.json of a new agent and enter it in config.json.

        Another agent.json that is already there is set aside as ``agent.json.replaced-<time>``.

        :raises Conflict: there is an agent with that id.
        :raises BadInput: the profile or the reference is not valid.
        """
        async with self._files.root.lock:
            await to_the_end(self._files.add_agent(ref, profile), name=f"config:add:{ref.id}")

    async def remove_agent(self, agent_id: str) -> None:
        """Take an agent out of config.json. Its files stay. :raises AgentNotFound: no such agent."""

        def change(root: RootConfig) -> None:
            agents = root.agents
            if agents.profiles.pop(agent_id, None) is None:
                raise AgentNotFound(agent_id)
            agents.agent_order = [other for other in agents.agent_order if other != agent_id]
            if agents.active_agent == agent_id:
                agents.active_agent = next(iter([*agents.agent_order, *agents.profiles]), "default")

        await self.patch_root(change)
        await self._run_state.forget(agent_id)

    async def set_enabled(self, agent_id: str, enabled: bool) -> None:
        """Switch an agent on or off. :raises AgentNotFound: no such agent."""

        def change(root: RootConfig) -> None:
            if agent_id not in root.agents.profiles:
                raise AgentNotFound(agent_id)
            root.agents.profiles[agent_id].enabled = enabled

        await self.patch_root(change)

    async def reorder(self, agent_ids: Sequence[str]) -> None:
        """Set the order of the agents. :raises BadInput: not every agent is named exactly once."""

        def change(root: RootConfig) -> None:
            if sorted(agent_ids) != sorted(root.agents.profiles):
                known = ", ".join(root.agents.profiles)
                raise BadInput(f"agent_ids: every agent must be named exactly once: {known}", field="agent_ids")
            root.agents.agent_order = list(agent_ids)

        await self.patch_root(change)

    # -- run-time state ---------------------------------------------------------------------------------------

    def last_dispatch(self, agent_id: str) -> LastDispatchConfig | None:
        """Where an agent last heard from its user; ``None`` if never. Raises as :meth:`agent`."""
        return self._run_state.state.last_dispatch.get(agent_id) or self.agent(agent_id).last_dispatch

    def last_api(self) -> LastApiConfig:
        """Where the server last listened."""
        return self._run_state.state.last_api or self.root.last_api

    async def record_last_dispatch(self, agent_id: str, *, channel: str, user_id: str, session_id: str) -> None:
        """Remember where an agent heard from its user. No configuration changes and nobody is told.

        :raises OSError: it cannot be written.
        """
        dispatch = LastDispatchConfig(channel=channel, user_id=user_id, session_id=session_id)
        await self._run_state.record(last_dispatch={agent_id: dispatch})

    async def record_last_api(self, host: str, port: int) -> None:
        """Remember where the server listens. :raises OSError: it cannot be written."""
        await self._run_state.record(last_api=LastApiConfig(host=host, port=port))


def _again(file: ConfigFile[AgentProfileConfig]) -> CopawError:
    """A new error with the same facts: one object that is raised again and again collects tracebacks."""
    found = file.problem
    if found is None:
        return LifecycleBug(f"{file.path} was never read.")
    return ConfigFileError(found.path, found.problem, field=found.field, value=found.value)
