from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.testing.raw_http import http, raw_server

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
KEY = "sk-0123456789abcdefghij"


async def configured(server) -> None:
    """A provider of the user's own with a key and a model whose id has slashes."""
    body = {"id": "mine", "name": "Mine", "default_base_url": "http://127.0.0.1:9/v1"}
    await server.call("POST", "/models/custom-providers", body, status=201)
    await server.call("PUT", "/models/mine/config", {"api_key": KEY})
    await server.call("POST", "/models/mine/models", {"id": "org/team/model", "name": "Model"}, status=201)


async def test_the_providers_of_1_0_2_are_there(server):
    sample = json.loads((SAMPLES / "models.json").read_text())
    listed = {provider["id"]: provider for provider in await server.call("GET", "/models")}
    assert listed.keys() >= {provider["id"] for provider in sample}
    assert all(listed[provider["id"]].keys() >= provider.keys() for provider in sample)


async def test_a_key_is_never_answered(server):
    await configured(server)
    answers = [
        await server.client.get("/api/models"),
        await server.client.put("/api/models/mine/config", json={"base_url": "http://127.0.0.1:8/v1"}),
        await server.client.post("/api/models/mine/models", json={"id": "b", "name": "B"}),
        await server.client.put("/api/models/mine/models/b/config", json={"generate_kwargs": {"temperature": 0}}),
        await server.client.delete("/api/models/mine/models/b"),
    ]
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert KEY not in answer.text
    assert answers[1].json()["api_key"].startswith("sk-")
    assert server.services.providers.get("mine").api_key == KEY


async def test_a_masked_key_sent_back_keeps_the_key(server):
    await configured(server)
    shown = next(provider for provider in await server.call("GET", "/models") if provider["id"] == "mine")
    await server.call("PUT", "/models/mine/config", {"api_key": shown["api_key"]})
    assert server.services.providers.get("mine").api_key == KEY


async def test_changing_a_provider_reloads_nobody(server):
    await configured(server)
    assert not server.services.manager.slot("default").revisions.pending


async def test_another_protocol_reloads_the_agents_that_use_it(server):
    await configured(server)
    await server.call("PUT", "/models/active", {"provider_id": "mine", "model": "org/team/model", "scope": "global"})
    await server.services.manager.reload_agent("default")
    was = server.generation()
    await server.call("PUT", "/models/mine/config", {"chat_model": "AnthropicChatModel"})
    await server.services.manager.reload_agent("default")
    assert server.generation() == was + 1


REFUSED = [
    ("PUT", "/models/openai/config", {"base_url": "http://elsewhere"}, 422, "base_url"),
    ("PUT", "/models/ollama/config", {"base_url": "elsewhere"}, 422, "base_url"),
    ("PUT", "/models/nobody/config", {}, 404, None),
    ("POST", "/models/custom-providers", {"id": "a b", "name": "x"}, 422, "id"),
    ("POST", "/models/custom-providers", {"id": "openai", "name": "x"}, 409, None),
    ("POST", "/models/openai/models", {"id": " ", "name": "x"}, 422, "id"),
    ("DELETE", "/models/custom-providers/openai", None, 422, "provider_id"),
    ("DELETE", "/models/custom-providers/nobody", None, 404, None),
    ("DELETE", "/models/openai/models/none/such", None, 404, None),
    ("PUT", "/models/openai/models/none/such/config", {}, 404, None),
]


async def test_what_cannot_be_done_to_a_provider_is_refused(server):
    for method, path, body, status, field in REFUSED:
        assert (await server.error(method, path, body, status=status)).get("field") == field


async def test_a_field_of_the_wrong_kind_is_named(server):
    answer = await server.call("PUT", "/models/openai/config", {"chat_model": "Other"}, status=422)
    assert answer["detail"][0]["loc"] == ["body", "chat_model"]


async def test_a_provider_of_ones_own_comes_and_goes(server):
    body = {
        "id": "mine",
        "name": "Mine",
        "default_base_url": "http://127.0.0.1:9/v1",
        "models": [{"id": "m", "name": "M"}],
    }
    made = await server.call("POST", "/models/custom-providers", body, status=201)
    assert (made["id"], made["base_url"], made["is_custom"]) == ("mine", "http://127.0.0.1:9/v1", True)
    assert [model["id"] for model in made["models"] + made["extra_models"]] == ["m"]
    left = await server.call("DELETE", "/models/custom-providers/mine")
    assert "mine" not in [provider["id"] for provider in left]


async def test_a_model_whose_id_has_slashes_is_configured_and_removed(server):
    await configured(server)
    path = "/models/mine/models/org%2Fteam%2Fmodel"
    info = await server.call("PUT", f"{path}/config", {"generate_kwargs": {"temperature": 0}})
    assert info["extra_models"][0]["generate_kwargs"] == {"temperature": 0}
    assert (await server.call("DELETE", "/models/mine/models/org/team/model"))["extra_models"] == []


async def test_no_model_is_chosen_in_a_new_home_and_the_demo_is_used(server):
    assert await server.call("GET", "/models/active?scope=global") == {"active_llm": None}
    assert await server.call("GET", "/models/active?scope=agent&agent_id=default") == {"active_llm": None}
    assert await server.call("GET", "/models/active") == {"active_llm": None}


async def test_the_global_model_reloads_every_agent_that_uses_it(server):
    await configured(server)
    other = (await server.client.post("/api/agents", json={"name": "Own"})).json()["id"]
    own = {"provider_id": "demo", "model": "demo", "scope": "agent", "agent_id": other}
    response = await server.client.put("/api/models/active", json=own)
    was = await server.reloaded(response, other)
    slot = {"provider_id": "mine", "model": "org/team/model"}
    assert await server.call("PUT", "/models/active", {**slot, "scope": "global"}) == {"active_llm": slot}
    assert server.services.manager.slot("default").revisions.pending
    await server.services.manager.reload_agent("default")
    await server.services.manager.reload_agent(other)
    assert server.services.manager.slot("default").current.snapshot.model.model == "org/team/model"
    assert server.generation() == 2
    assert server.generation(other) == was
    assert await server.call("GET", "/models/active?scope=global") == {"active_llm": slot}
    assert await server.call("GET", "/models/active?agent_id=default") == {"active_llm": slot}


async def test_the_model_of_one_agent_is_kept_with_it_and_reloads_it(server):
    await configured(server)
    slot = {"provider_id": "mine", "model": "org/team/model"}
    was = server.generation()
    body = {**slot, "scope": "agent", "agent_id": "default"}
    response = await server.client.put("/api/models/active", json=body)
    assert response.json() == {"active_llm": slot}
    assert await server.reloaded(response) > was
    assert server.agent_json()["active_model"] == slot
    for query in ("scope=agent&agent_id=default", "agent_id=default", ""):
        assert await server.call("GET", f"/models/active?{query}") == {"active_llm": slot}
    assert await server.call("GET", "/models/active?scope=global") == {"active_llm": None}


async def test_the_model_of_a_disabled_agent_can_be_chosen_without_a_reload(server):
    other = (await server.client.post("/api/agents", json={"name": "Own"})).json()["id"]
    await server.call("PATCH", f"/agents/{other}/toggle", {"enabled": False})
    body = {"provider_id": "demo", "model": "demo", "scope": "agent"}
    response = await server.client.put("/api/models/active", json=body, headers={"X-Agent-Id": other})
    assert response.status_code == 200
    assert "X-Reload-Revision" not in response.headers
    assert server.agent_json(other)["active_model"] == {"provider_id": "demo", "model": "demo"}


@pytest.mark.parametrize("scope", ["global", "agent"])
async def test_a_model_that_cannot_be_used_is_refused(server, scope):
    await configured(server)
    for slot, status, field in [
        ({"provider_id": "nobody", "model": "m"}, 404, None),
        ({"provider_id": "mine", "model": "m"}, 422, "model"),
        ({"provider_id": "openai", "model": "gpt-5"}, 422, "api_key"),
    ]:
        body = {**slot, "scope": scope, "agent_id": "default"}
        assert (await server.error("PUT", "/models/active", body, status=status)).get("field") == field
    assert await server.call("GET", "/models/active") == {"active_llm": None}


async def test_an_agent_must_be_named_and_known(server):
    body = {"provider_id": "demo", "model": "demo", "scope": "agent"}
    assert (await server.error("PUT", "/models/active", body, status=422))["field"] == "agent_id"
    assert (await server.error("GET", "/models/active?scope=agent", status=422))["field"] == "agent_id"
    await server.error("PUT", "/models/active", {**body, "agent_id": "nobody"}, status=404)
    await server.error("GET", "/models/active?agent_id=nobody", status=404)


async def test_removing_the_provider_of_the_global_model_goes_back_to_the_demo(server):
    await configured(server)
    await server.call("PUT", "/models/active", {"provider_id": "mine", "model": "org/team/model", "scope": "global"})
    await server.call("DELETE", "/models/custom-providers/mine")
    await server.services.manager.reload_agent("default")
    assert server.services.manager.slot("default").current.snapshot.model.provider_id == "demo"


async def test_a_check_says_what_is_missing_or_wrong_with_the_settings_to_try(server):
    await configured(server)
    for path, body in [("test", None), ("test", {}), ("discover", {}), ("models/test", {"model_id": "gpt-5"})]:
        answer = await server.call("POST", f"/models/openai/{path}", body)
        assert answer["success"] is False
        assert "copaw models config-key openai" in answer["message"]
    refused = http(b'{"error": {"message": "Who are you?"}}', "application/json", "401 Unauthorized")
    async with raw_server([refused]) as provider:
        answer = await server.call("POST", "/models/mine/test", {"base_url": provider.url, "api_key": "sk-draft"})
        assert answer["success"] is False
        assert "401: Who are you?" in answer["message"]
        assert "Authorization: Bearer sk-draft" in provider.requests[0][0]
    assert server.services.providers.get("mine").api_key == KEY, "a draft is not saved"


async def test_models_are_discovered_and_those_that_are_new_added(server):
    await configured(server)
    listed = http(json.dumps({"data": [{"id": "org/team/model"}, {"id": "new"}]}).encode(), "application/json")
    async with raw_server([listed]) as provider:
        await server.call("PUT", "/models/mine/config", {"base_url": provider.url})
        answer = await server.call("POST", "/models/mine/discover")
        assert answer["success"] is True
        assert [model["id"] for model in answer["models"]] == ["org/team/model", "new"]
        assert answer["added_count"] == 1
        assert (await server.call("POST", "/models/mine/discover"))["added_count"] == 0
    info = server.services.providers.get("mine")
    assert [(model.id, model.name) for model in info.extra_models] == [("org/team/model", "Model"), ("new", "new")]


async def test_what_a_model_sees_is_found_out_and_kept(server):
    await configured(server)
    message = {"choices": [{"index": 0, "message": {"content": "Red"}, "finish_reason": "stop"}]}
    async with raw_server([http(json.dumps(message).encode(), "application/json")]) as provider:
        await server.call("PUT", "/models/mine/config", {"base_url": provider.url})
        answer = await server.call("POST", "/models/mine/models/org%2Fteam%2Fmodel/probe-multimodal")
        assert (answer["supports_image"], answer["supports_video"], answer["supports_multimodal"]) == (True, True, True)
        assert (await server.call("POST", "/models/mine/models/test", {"model_id": "not known"}))["success"] is True
    model = server.services.providers.get("mine").model("org/team/model")
    assert (model.supports_image, model.supports_video, model.probe_source) == (True, True, "probed")


async def test_checks_of_what_is_not_there(server):
    for path, body in [
        ("test", {}),
        ("discover", {}),
        ("models/test", {"model_id": "m"}),
        ("models/m/probe-multimodal", {}),
    ]:
        await server.error("POST", f"/models/nobody/{path}", body, status=404)
    await server.error("POST", "/models/openai/models/a/b/probe-multimodal", status=404)
    assert (await server.error("POST", "/models/openai/test", {"base_url": "http://x"}, status=422))[
        "field"
    ] == "base_url"
    assert (await server.error("POST", "/models/openai/test", {"api_key": "a b"}, status=422))["field"] == "api_key"
    await server.call("POST", "/models/openai/models/test", {}, status=422)
