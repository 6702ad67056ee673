"""The models that agents use: chosen, set up, and answering a real request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

from copaw.cli.doctor import model_request
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.config.secrets import SecretFiles
from copaw.errors import CopawError, ModelError
from copaw.providers.failures import without_key
from copaw.providers.files import ModelSlot
from copaw.providers.models import DEMO_PROVIDER_ID, ProviderInfo
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
        yield _check(subject, store, slot, ", ".join(agents))


def _check(subject: Subject, store: ProviderStore, slot: ModelSlot, agents: str) -> Finding:
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
        seconds = _ask(subject, info, slot.model)
    except ModelError as error:
        what = f"{name} does not answer: {without_key(error.message, info)}"
        return Finding(CHECK, Level.ERROR, what, f"copaw models config-key {slot.provider_id}")
    return Finding(CHECK, Level.OK, f"{name} answers after {seconds:.1f} s.")


def _ask(subject: Subject, info: ProviderInfo, model: str) -> float:
    """The seconds until it answered, from the server if one runs: what counts is what that one reaches.

    :raises ModelError: it did not, and why.
    """
    if subject.client is None or not subject.held:
        return model_request.ask(model_request.request_to(info, model), subject.timeout_s)
    began = time.monotonic()
    path = f"/api/models/{quote(info.id, safe='')}/models/test"
    answer = subject.client.http.call("POST", path, body={"model_id": model}, timeout_s=subject.timeout_s)
    if not answer["success"]:
        raise ModelError(answer["message"])
    return time.monotonic() - began
