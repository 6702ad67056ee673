from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.testing.model_server import running_model_server

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
PATH = "/config/agents/llm-routing"


@pytest.fixture
async def providers(server, unused_tcp_port):
    """A local provider where nobody listens, and one in the cloud that answers."""
    async with running_model_server() as cloud:
        for name, url in (("near", f"http://127.0.0.1:{unused_tcp_port}/v1"), ("far", cloud.base_url)):
            body = {"id": name, "name": name, "default_base_url": url, "models": [{"id": "m", "name": "M"}]}
            await server.call("POST", "/models/custom-providers", body, status=201)
            await server.call("PUT", f"/models/{name}/config", {"api_key": "sk-x"})
        yield cloud


def slot(provider: str) -> dict[str, str]:
    return {"provider_id": provider, "model": "m"}


async def test_routing_is_off_in_a_new_home(server):
    assert await server.call("GET", PATH) == json.loads((SAMPLES / "llm_routing.json").read_text())


async def test_the_other_model_answers_when_the_preferred_one_cannot(server, providers):
    body = {"enabled": True, "mode": "local_first", "local": slot("near"), "cloud": slot("far")}
    response = await server.client.put(f"/api/agents/default{PATH}", json=body)
    assert response.json() == body
    await server.reloaded(response)
    assert (await server.call("GET", "/models/active"))["active_llm"] == slot("near")
    assert await server.say("say from afar") == "from afar"
    usage = await server.call("GET", "/token-usage")
    assert [*usage["by_model"]] == ["far:m"]
    response = await server.client.put(f"/api{PATH}", json={"mode": "cloud_first"})
    await server.reloaded(response)
    assert (await server.call("GET", "/models/active"))["active_llm"] == slot("far")


async def test_without_a_model_in_the_cloud_the_active_one_takes_its_place(server, providers):
    await server.call("PUT", "/models/active", {**slot("far"), "scope": "global"})
    response = await server.client.put(f"/api{PATH}", json={"enabled": True, "local": slot("near")})
    await server.reloaded(response)
    assert await server.say("say still there") == "still there"


async def test_the_routing_for_all_agents_counts_where_an_agent_has_none(server, providers):
    def change(root):
        root.agents.llm_routing.enabled = True
        root.agents.llm_routing.local.provider_id = "far"
        root.agents.llm_routing.local.model = "m"

    await server.services.config.patch_root(change)
    await server.services.manager.reload_agent("default")
    assert server.services.manager.slot("default").current.snapshot.models[0].provider_id == "far"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "nearest"}, "mode"),
        ({"enabled": True}, "local"),
        ({"enabled": True, "local": {"provider_id": "nobody", "model": "m"}}, "local.provider_id"),
        ({"enabled": True, "local": {"provider_id": "demo", "model": "x"}}, "local.model"),
        (
            {
                "enabled": True,
                "local": {"provider_id": "demo", "model": "demo"},
                "cloud": {"provider_id": "openai", "model": "o3"},
            },
            "cloud.api_key",
        ),
    ],
)
async def test_routing_to_what_cannot_be_called_is_refused(server, body, field):
    assert (await server.error("PUT", PATH, body, status=422))["field"] == field
    assert (await server.call("GET", PATH))["enabled"] is False
