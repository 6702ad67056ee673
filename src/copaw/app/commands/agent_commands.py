"""Commands on the agent that is spoken to: its model, its state, its configuration."""

from __future__ import annotations

import re
import time

import copaw
from copaw.app.commands.registry import Command, CommandCall
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.reloads.outcome import Outcome, ReloadOutcome
from copaw.config.models import AgentProfileConfig, ModelSlotConfig
from copaw.config.store import ConfigStore
from copaw.errors import BadInput
from copaw.providers.store import ProviderStore

_CHOICE = re.compile(r"([^\s:/]+)[:/](\S+)")


class AgentCommands:
    """``/model``, ``/status``, ``/restart`` and ``/reload-config``."""

    def __init__(self, manager: MultiAgentManager, config: ConfigStore, providers: ProviderStore) -> None:
        self._manager = manager
        self._config = config
        self._providers = providers

    def commands(self) -> list[Command]:
        return [
            Command("model", "show the model, list the models there are, or choose one for this agent", self._model,
                    "[list | provider:model]"),
            Command("status", "how the agent is", self._status, in_group=True),
            Command("restart", "apply the configuration as it is on disk; work under way goes on", self._reload,
                    in_group=True),
            Command("reload-config", "the same", self._reload, in_group=True),
        ]  # fmt: skip

    # -- the model ---------------------------------------------------------------------------------------------------

    async def _model(self, call: CommandCall) -> str:
        if not call.argument:
            return f"{self._used(call.agent_id)}\nChoose another one with /model provider:model; see /model list."
        if call.argument.lower() == "list":
            return self._listed()
        choice = _CHOICE.fullmatch(call.argument)
        if choice is None:
            raise BadInput(
                f"'{call.argument}' names no model. Send /model provider:model, such as in /model list.", field="model"
            )
        return await self._choose(call, choice[1], choice[2])

    def _used(self, agent_id: str) -> str:
        profile = self._config.agent(agent_id)
        own = profile.active_model
        used, *others = self._providers.routes(own, profile.llm_routing, self._config.root.agents.llm_routing)
        if others:
            whose = f"by llm_routing; {others[0].provider_id}:{others[0].model} when it cannot answer"
        elif own is not None and own.provider_id and own.model:
            whose = "chosen for this agent"
        elif self._providers.active() is not None:
            whose = "chosen for all agents"
        else:
            whose = "nobody has chosen one yet"
        return f"Model: {used.provider_id}:{used.model} ({whose})."

    def _listed(self) -> str:
        providers = self._providers.list()
        usable = [info for info in providers if info.model_ids() and (info.api_key or not info.require_api_key)]
        lines = [f"- {info.id}:{model}" for info in usable for model in info.model_ids()]
        others = len(providers) - len(usable)
        rest = f"{others} further providers have no key or no model yet; see `copaw models list`." if others else ""
        return "\n".join(["Models that can be used:", *lines, *([f"\n{rest}"] if rest else [])])

    async def _choose(self, call: CommandCall, provider_id: str, model: str) -> str:
        slot = self._providers.check(provider_id, model)

        def change(profile: AgentProfileConfig) -> None:
            profile.active_model = ModelSlotConfig(provider_id=slot.provider_id, model=slot.model)

        await self._config.patch_agent(call.agent_id, change)
        report = await self._manager.reload_agent(call.agent_id)
        if report.outcome in (Outcome.SWAPPED, Outcome.UNCHANGED):
            return f"From the next message on this agent uses {slot.provider_id}:{slot.model}."
        return f"The choice of {slot.provider_id}:{slot.model} is kept. {_told(report)}"

    # -- the agent ---------------------------------------------------------------------------------------------------

    async def _status(self, call: CommandCall) -> str:
        slot = self._manager.slot(call.agent_id)
        runs = [run for run in slot.tracker.active() if run.lease.kind != "command"]
        here = [run for run in runs if run.session_id == call.turn.session_id]
        lines = [
            self._used(call.agent_id),
            f"Runs under way: {len(runs)}, {len(here)} of them in this conversation.",
        ]
        lines += [
            f"Generation {workspace.generation} finishes its work (leases: {len(workspace.leases)})."
            for workspace in slot.draining.values()
        ]
        if slot.revisions.last is not None:
            age_s = time.time() - slot.revisions.last.finished_at
            lines.append(f"Last reload, {age_s:.0f} s ago: {_told(slot.revisions.last)}")
        if slot.revisions.pending:
            lines.append("A reload is under way.")
        head = f"Agent '{call.agent_id}': {slot.state}, generation {call.workspace.generation}."
        return "\n".join([head, *(f"- {line}" for line in lines), f"- copaw {copaw.__version__}"])

    async def _reload(self, call: CommandCall) -> str:
        # Answered as soon as the new generation serves; this command's own lease keeps only the old one open.
        return _told(await self._manager.reload_agent(call.agent_id))


def _told(report: ReloadOutcome) -> str:
    error = f" {report.error}" if report.error else ""
    match report.outcome:
        case Outcome.SWAPPED:
            changed = f" Changed: {', '.join(report.changed)}." if report.changed else ""
            return f"Generation {report.generation} serves, after {report.duration_seconds:.1f} s.{changed}"
        case Outcome.UNCHANGED:
            return f"The configuration has not changed; generation {report.generation} serves on."
        case Outcome.FAILED:
            return f"The configuration cannot be applied, and generation {report.generation} serves on.{error}"
        case Outcome.HELD:
            return f"The reload waits.{error}"
        case Outcome.SUPERSEDED | Outcome.STOPPED:
            return "Something newer was asked for meanwhile."
