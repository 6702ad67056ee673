"""The models that agents use: chosen, set up, and answering a real request."""

from __future__ import annotations

from collections.abc import Iterator

from copaw.cli.doctor import model_request
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.config.secrets import SecretFiles
from copaw.errors import CopawError, ModelError
from copaw.providers.files import ModelSlot
from copaw.providers.models import DEMO_PROVIDER_ID
from copaw.providers.store import ProviderStore

CHECK = "model"


def check_models(subject: Subject) -> Iterator[Finding]:
    """Each model that an enabled agent uses answers."""
    store = ProviderStore(SecretFiles(subject.paths.providers_dir))
    store.load()
    users: dict[ModelSlot, list[str]] = {}
    try:
        for agent_id, profile in subject.profiles().items():
            users.setdefault(store.resolve(profile.active_model), []).append(agent_id)
    except CopawError:
        return  # the file that names the active model is broken: the check of the home says so
    for slot, agents in users.items():
        yield _check(store, slot, ", ".join(agents), subject.timeout_s)


def _check(store: ProviderStore, slot: ModelSlot, agents: str, timeout_s: float) -> Finding:
    if slot.provider_id == DEMO_PROVIDER_ID:
        what = f"No model is chosen for {agents}; the offline demo answers."
        return Finding(CHECK, Level.WARN, what, "copaw models config")
    name = f"{slot.model} of {slot.provider_id}, the model of {agents},"
    try:
        store.check(slot.provider_id, slot.model)
        info = store.get(slot.provider_id)
    except CopawError as error:
        return Finding(CHECK, Level.ERROR, f"{name} cannot be used: {error.message}", "copaw models config")
    try:
        seconds = model_request.ask(model_request.request_to(info, slot.model), timeout_s)
    except ModelError as error:
        mend = f"copaw models config-key {slot.provider_id}" if "answered 401" in error.message else "copaw models list"
        return Finding(CHECK, Level.ERROR, f"{name} does not answer: {error.message}.", mend)
    return Finding(CHECK, Level.OK, f"{name} answers after {seconds:.1f} s.")
