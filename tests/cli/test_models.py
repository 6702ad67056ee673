from __future__ import annotations

import json

import pytest

from copaw.app.background.server_lock import lock_working_dir

KEY = "sk-very-secret"
OPENAI = {
    "id": "openai",
    "name": "OpenAI",
    "api_key": "sk-****",
    "require_api_key": True,
    "freeze_url": True,
    "models": [{"id": "gpt-x", "name": "X"}],
    "extra_models": [],
}
LOCAL = {"id": "mine", "name": "Mine", "api_key": "", "require_api_key": False, "base_url": "http://h/v1", "models": []}


@pytest.fixture
def provided(server):
    server.on("GET", "/api/models", [OPENAI, LOCAL])
    server.on("GET", "/api/models/active", {"active_llm": {"provider_id": "openai", "model": "gpt-x"}})
    server.on("PUT", "/api/models/active", {})
    for provider in ("openai", "mine"):
        server.on("PUT", f"/api/models/{provider}/config", {})
        server.on("POST", f"/api/models/{provider}/models", {}, status=201)
    return server


def _changes(server) -> list[tuple[str, str, object]]:
    return [(r.method, r.path, r.body) for r in server.seen if r.method != "GET"]


class TestOverTheServer:
    def test_list_shows_providers_and_the_active_model_but_no_key(self, ask, provided) -> None:
        result = ask("models", "list", env={"COLUMNS": "120"})
        assert "Active model: gpt-x of openai" in result.stdout
        assert "sk-" not in result.stdout

    def test_list_as_json_has_no_key(self, ask, provided) -> None:
        document = json.loads(ask("models", "list", "--json").stdout)
        assert document["active_llm"] == {"provider_id": "openai", "model": "gpt-x"}
        assert [info["has_api_key"] for info in document["providers"]] == [True, False]
        assert "sk-" not in json.dumps(document)

    def test_set_llm_with_arguments_asks_nothing(self, ask, provided) -> None:
        result = ask("models", "set-llm", "mine", "m1")
        assert result.stdout == "The active model is now m1 of mine.\n"
        body = {"provider_id": "mine", "model": "m1", "scope": "global"}
        assert _changes(provided) == [("PUT", "/api/models/active", body)]

    def test_set_llm_asks_for_what_is_missing(self, ask, provided) -> None:
        assert ask("models", "set-llm", input="openai\n\n").exit_code == 0
        assert _changes(provided)[0][2] == {"provider_id": "openai", "model": "gpt-x", "scope": "global"}

    @pytest.mark.parametrize(
        ("arguments", "options"),
        [
            (("--key", KEY), {}),
            ((), {"env": {"COPAW_PROVIDER_API_KEY": KEY}}),
            ((), {"input": KEY + "\n"}),
        ],
    )
    def test_config_key_saves_a_key_that_is_never_printed(self, ask, provided, arguments, options) -> None:
        result = ask("models", "config-key", "openai", *arguments, **options)
        assert result.exit_code == 0
        assert _changes(provided) == [("PUT", "/api/models/openai/config", {"api_key": KEY})]
        assert KEY not in result.output

    def test_an_unknown_provider_is_named_with_the_known_ones(self, ask, provided) -> None:
        result = ask("models", "config-key", "nope", "--key", "x")
        assert (result.exit_code, _changes(provided)) == (1, [])
        assert "'nope'. Known providers: openai, mine." in result.stderr

    def test_config_asks_for_what_the_provider_needs(self, ask, provided) -> None:
        assert ask("models", "config", input="mine\nhttp://new/v1\nm2\n").exit_code == 0
        assert _changes(provided) == [
            ("PUT", "/api/models/mine/config", {"base_url": "http://new/v1"}),
            ("POST", "/api/models/mine/models", {"id": "m2", "name": "m2"}),
            ("PUT", "/api/models/active", {"provider_id": "mine", "model": "m2", "scope": "global"}),
        ]

    def test_config_keeps_the_key_on_enter(self, ask, provided) -> None:
        assert ask("models", "config", input="openai\n\n\n").exit_code == 0
        assert [path for _, path, _ in _changes(provided)] == ["/api/models/active"]

    def test_providers_and_models_come_and_go(self, ask, provided) -> None:
        provided.on("POST", "/api/models/custom-providers", {}, status=201)
        provided.on("DELETE", "/api/models/custom-providers/mine", [])
        provided.on("DELETE", "/api/models/mine/models/org/m", {})
        assert ask("models", "add-provider", "new", "-n", "New", "-u", "http://h/v1").exit_code == 0
        assert ask("models", "add-model", "mine", "-m", "org/m", "-n", "M").exit_code == 0
        assert ask("models", "remove-model", "mine", "-m", "org/m").exit_code == 0
        assert ask("models", "remove-provider", "mine", "--yes").exit_code == 0
        assert _changes(provided) == [
            (
                "POST",
                "/api/models/custom-providers",
                {"id": "new", "name": "New", "default_base_url": "http://h/v1", "api_key_prefix": ""},
            ),
            ("POST", "/api/models/mine/models", {"id": "org/m", "name": "M"}),
            ("DELETE", "/api/models/mine/models/org/m", None),
            ("DELETE", "/api/models/custom-providers/mine", None),
        ]

    def test_removing_a_provider_asks_first(self, ask, provided) -> None:
        assert ask("models", "remove-provider", "mine", input="n\n").exit_code == 1
        assert _changes(provided) == []

    def test_the_servers_refusal_is_told(self, ask, provided) -> None:
        provided.on("PUT", "/api/models/active", {"detail": "Provider 'mine' has no model 'x'."}, status=400)
        result = ask("models", "set-llm", "mine", "x")
        assert (result.exit_code, result.stderr) == (1, "Error: Provider 'mine' has no model 'x'.\n")


class TestWithoutAServer:
    @pytest.fixture(autouse=True)
    def nobody_listens(self, home) -> None:
        home.mkdir()
        (home / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')

    def test_the_files_are_changed_and_it_is_said(self, run, home) -> None:
        assert run("models", "add-provider", "mine", "-n", "Mine", "-u", "http://h/v1").exit_code == 0
        assert run("models", "config-key", "mine", "--key", KEY).exit_code == 0
        assert run("models", "add-model", "mine", "-m", "m1", "-n", "M1").exit_code == 0
        result = run("models", "set-llm", "mine", "m1")
        assert "No server is running; using the files in" in result.stderr
        files = home.parent / "secret" / "providers"
        assert json.loads((files / "custom" / "mine.json").read_text())["api_key"] == KEY
        assert json.loads((files / "active_model.json").read_text()) == {"provider_id": "mine", "model": "m1"}
        listed = run("models", "list", "--json")
        assert KEY not in listed.output
        assert json.loads(listed.stdout)["active_llm"] == {"provider_id": "mine", "model": "m1"}
        assert run("models", "remove-model", "mine", "-m", "m1").exit_code == 0
        assert run("models", "remove-provider", "mine", "-y").exit_code == 0
        assert not (files / "custom" / "mine.json").exists()

    def test_wrong_input_is_a_sentence(self, run) -> None:
        result = run("models", "set-llm", "demo", "nope")
        assert result.exit_code == 2
        assert "has no model 'nope'" in result.stderr

    def test_a_server_named_by_hand_is_never_replaced_by_files(self, run) -> None:
        result = run("--port", "9", "models", "list")
        assert result.exit_code == 1
        assert "No copaw server answers" in result.stderr


def test_files_of_a_server_that_does_not_answer_are_left_alone(run, made) -> None:
    (made / "runtime.json").write_text('{"last_api": {"host": "127.0.0.1", "port": 9}}')
    lock = lock_working_dir(made)
    try:
        result = run("models", "add-provider", "mine", "--name", "Mine")
    finally:
        lock.release()
    assert result.exit_code == 1
    assert "--host and --port" in result.stderr
    assert list((made.parent / "secret" / "providers").iterdir()) == []
