from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.cli.doctor.finding import Subject
from copaw.cli.doctor.model import check_models
from copaw.config.secrets import SecretFiles
from copaw.providers.store import ProviderStore


@pytest.fixture
def store(subject: Subject) -> ProviderStore:
    return ProviderStore(SecretFiles(subject.paths.providers_dir))


def choose(store: ProviderStore, base_url: str) -> None:
    store.add_custom("mine", "Mine", base_url=base_url, api_key="k-of-mine")
    store.add_model("mine", "m")
    store.set_active("mine", "m")


def test_the_demo_is_told(subject: Subject, bad) -> None:
    assert bad(check_models(subject)) == [("warn", "No model is chosen for default; the offline demo answers.")]


def test_a_model_that_answers(subject: Subject, bad, store: ProviderStore, server) -> None:
    choose(store, server.base_url)
    server.on("POST", "/chat/completions", {"choices": []})
    assert bad(check_models(subject)) == []
    assert server.seen[0].headers["authorization"] == "Bearer k-of-mine"


def test_one_that_does_not(subject: Subject, bad, store: ProviderStore, server) -> None:
    choose(store, server.base_url)
    server.on("POST", "/chat/completions", {"error": {"message": "bad key k-of-mine"}}, status=401)
    (finding,) = check_models(subject)
    assert bad([finding])[0][1].endswith("does not answer: it answered 401: bad key ***")
    assert finding.mend == "copaw models config-key mine"


def test_one_that_is_not_set_up_is_not_asked(subject: Subject, bad, made: Path) -> None:
    file = made / "workspaces" / "default" / "agent.json"
    profile = json.loads(file.read_text())
    file.write_text(json.dumps({**profile, "active_model": {"provider_id": "openai", "model": "gpt-5"}}))
    ((level, what),) = bad(check_models(subject))
    assert level == "error"
    assert "has no API key" in what


@pytest.mark.parametrize(("success", "levels"), [(True, []), (False, ["error"])])
def test_a_running_server_asks_itself(
    running: Subject, bad, store: ProviderStore, server, success: bool, levels: list[str]
) -> None:
    choose(store, "http://127.0.0.1:9")
    server.on("POST", "/api/models/mine/models/test", {"success": success, "message": "It says no."})
    found = bad(check_models(running))
    assert [level for level, _ in found] == levels
    assert server.seen[0].body == {"model_id": "m"}
