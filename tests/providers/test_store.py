from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError, Conflict, NotFound
from copaw.providers.files import ModelSlot
from copaw.providers.store import ProviderStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "providers"


def opened(home: Path) -> ProviderStore:
    store = ProviderStore(SecretFiles(home))
    store.load()
    return store


@pytest.fixture
def store(home: Path) -> ProviderStore:
    return opened(home)


def test_a_fresh_home_has_the_built_in_providers_and_no_file_is_written(store: ProviderStore, home: Path) -> None:
    assert len(store.list()) == 22
    assert store.active() is None
    assert not home.exists()


def test_settings_survive_a_restart_and_the_file_is_for_its_owner_only(store: ProviderStore, home: Path) -> None:
    store.configure("openai", api_key=" sk-abc ", generate_kwargs={"temperature": 0.5})
    store.add_model("openai", "gpt-x", "GPT X")
    store.configure_model("openai", "gpt-5", {"seed": 7})
    again = opened(home).get("openai")
    assert again == store.get("openai")
    assert again.api_key == "sk-abc"
    assert again.request_kwargs("gpt-5") == {"temperature": 0.5, "seed": 7}
    assert again.model("gpt-x")
    file = home / "builtin" / "openai.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_what_changes_nothing_writes_nothing(store: ProviderStore, home: Path) -> None:
    store.configure("openai", api_key="")
    store.configure_model("openai", "gpt-5", None)
    assert not home.exists()


def test_an_empty_key_forgets_it_and_the_masked_key_leaves_it(store: ProviderStore) -> None:
    store.configure("deepseek", api_key="sk-0123456789abcdef")
    shown = store.public(store.get("deepseek")).api_key
    assert shown
    assert "0123456789" not in shown
    store.configure("deepseek", api_key=shown)
    assert store.get("deepseek").api_key == "sk-0123456789abcdef"
    store.configure("deepseek", api_key="")
    assert store.get("deepseek").api_key == ""


def test_a_key_with_an_unusual_prefix_is_taken_with_a_warning(
    store: ProviderStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store.configure("openai", api_key="other-key")
    assert store.get("openai").api_key == "other-key"
    assert "sk-" in caplog.text
    assert "other-key" not in caplog.text


def test_a_frozen_address_refuses_another_but_takes_its_own(store: ProviderStore) -> None:
    store.configure("openai", base_url="https://api.openai.com/v1/")
    with pytest.raises(BadInput, match="add-provider") as caught:
        store.configure("openai", base_url="http://elsewhere/v1")
    assert caught.value.field == "base_url"
    assert store.configure("ollama", base_url="http://10.0.0.1:1").base_url == "http://10.0.0.1:1"
    with pytest.raises(BadInput, match="http://"):
        store.configure("ollama", base_url="10.0.0.1:1")


def test_an_unknown_chat_model_is_refused_with_the_known_ones(store: ProviderStore) -> None:
    with pytest.raises(BadInput, match="GeminiChatModel") as caught:
        store.configure("ollama", chat_model="Nope")
    assert caught.value.field == "chat_model"


def test_an_unknown_provider_is_answered_with_the_known_ones(store: ProviderStore) -> None:
    with pytest.raises(NotFound, match="openai"):
        store.get("nope")


def test_a_custom_provider_round_trips_and_goes_with_the_active_model(store: ProviderStore, home: Path) -> None:
    store.add_custom("mine", "Mine", base_url="http://127.0.0.1:1/v1", api_key="k")
    store.add_model("mine", "m")
    store.set_active("mine", "m")
    again = opened(home)
    assert again.get("mine") == store.get("mine")
    assert again.get("mine").is_custom
    assert again.active() == ModelSlot("mine", "m")
    again.remove_custom("mine")
    assert opened(home).active() is None
    assert not [*home.rglob("*.json")]


def test_custom_ids_are_checked(store: ProviderStore) -> None:
    with pytest.raises(Conflict):
        store.add_custom("openai", "x")
    store.add_custom("mine", "Mine")
    with pytest.raises(Conflict):
        store.add_custom("mine", "again")
    for bad in ("", "a/b", "..", "-x", "ü", "a" * 65):
        with pytest.raises(BadInput) as caught:
            store.add_custom(bad, "x")
        assert caught.value.field == "id"
    with pytest.raises(BadInput, match="built in"):
        store.remove_custom("openai")


def test_only_added_models_can_be_removed(store: ProviderStore) -> None:
    store.add_model("openai", "x")
    with pytest.raises(Conflict):
        store.add_model("openai", "x")
    with pytest.raises(BadInput):
        store.add_model("openai", " ")
    assert store.remove_model("openai", "x").model("x") is None
    with pytest.raises(NotFound, match="add-model"):
        store.remove_model("openai", "x")
    with pytest.raises(BadInput, match="built in"):
        store.remove_model("openai", "gpt-5")
    with pytest.raises(NotFound):
        store.configure_model("openai", "x", {})


def test_the_active_model_must_exist_and_have_a_key(store: ProviderStore) -> None:
    with pytest.raises(NotFound):
        store.set_active("nope", "m")
    with pytest.raises(BadInput, match=r"gpt-5.*copaw models add-model openai") as unknown:
        store.set_active("openai", "nope")
    assert unknown.value.field == "model"
    with pytest.raises(BadInput, match="copaw models config-key openai"):
        store.set_active("openai", "gpt-5")
    assert store.active() is None


def test_an_agents_own_model_comes_before_the_active_one_and_the_demo_last(store: ProviderStore) -> None:
    assert store.resolve() == ModelSlot("demo", "demo")
    store.configure("openai", api_key="sk-1")
    store.set_active("openai", "gpt-5")
    assert store.resolve(ModelSlot("", "gpt-x")) == ModelSlot("openai", "gpt-5")
    assert store.resolve(ModelSlot("ollama", "q")) == ModelSlot("ollama", "q")


def test_a_broken_file_is_reported_and_never_overwritten(home: Path) -> None:
    file = home / "builtin" / "openai.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"api_key": "sk-')
    store = opened(home)
    assert store.get("openai").base_url == "https://api.openai.com/v1"
    assert "openai.json" in str(store.problems()["openai"])
    assert "openai.json" in store.public(store.get("openai")).meta["config_error"]
    with pytest.raises(ConfigFileError):
        store.configure("openai", api_key="sk-2")
    assert file.read_text() == '{"api_key": "sk-'
    file.write_text('{"api_key": "sk-1"}')
    store.load()
    assert not store.problems()
    assert store.get("openai").api_key == "sk-1"


def test_a_field_of_the_wrong_type_is_named_without_its_value(home: Path) -> None:
    SecretFiles(home).write("builtin/openai", {"api_key": ["sk-secret"]})
    problem = opened(home).problems()["openai"]
    assert problem.field == "api_key"
    assert "sk-secret" not in str(problem)


def test_a_broken_custom_file_shows_as_such_and_can_be_removed(home: Path) -> None:
    SecretFiles(home).write("custom/mine", {"models": 3})
    store = opened(home)
    assert store.get("mine").is_custom
    store.remove_custom("mine")
    assert not store.problems()
    assert not [*home.rglob("*.json")]


def test_a_broken_active_model_is_said_instead_of_using_the_demo(home: Path) -> None:
    home.mkdir()
    (home / "active_model.json").write_text("[]")
    store = opened(home)
    assert store.active() is None
    with pytest.raises(ConfigFileError):
        store.resolve()
    store.add_custom("mine", "M", api_key="k")
    store.add_model("mine", "m")
    with pytest.raises(ConfigFileError):
        store.set_active("mine", "m")
    assert (home / "active_model.json").read_text() == "[]"


def test_a_file_keeps_unknown_fields_and_models_but_cannot_move_a_frozen_address(home: Path) -> None:
    content = {
        "id": "openai",
        "name": "Other",
        "base_url": "http://evil/v1",
        "future": 1,
        "models": [{"id": "old", "name": "O"}],
    }
    SecretFiles(home).write("builtin/openai", content)
    store = opened(home)
    info = store.configure("openai", api_key="sk-1")
    assert (info.name, info.base_url) == ("OpenAI", "https://api.openai.com/v1")
    assert {"old", "gpt-5"} <= set(info.model_ids())
    saved = json.loads((home / "builtin" / "openai.json").read_text())
    assert saved["future"] == 1


def test_changes_from_several_threads_are_all_kept(store: ProviderStore, home: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: store.add_model("ollama", f"m{n}"), range(24)))
    assert set(opened(home).get("ollama").model_ids()) == {f"m{n}" for n in range(24)}
