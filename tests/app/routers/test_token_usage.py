from __future__ import annotations

from datetime import date

from copaw.providers.answer import Usage
from copaw.providers.files import ModelSlot
from copaw.testing.model_server import running_model_server

EMPTY = {"total_prompt_tokens": 0, "total_completion_tokens": 0, "total_calls": 0, "by_model": {}, "by_provider": {}}


async def test_nothing_was_used_yet(server):
    answer = await server.call("GET", "/token-usage")
    assert {key: answer[key] for key in EMPTY} == EMPTY


async def test_every_call_to_a_model_is_counted(server):
    async with running_model_server() as provider:
        body = {
            "id": "mine",
            "name": "Mine",
            "default_base_url": provider.base_url,
            "models": [{"id": "m", "name": "M"}],
        }
        await server.call("POST", "/models/custom-providers", body, status=201)
        await server.call("PUT", "/models/mine/config", {"api_key": "sk-x"})
        await server.call("PUT", "/models/active", {"provider_id": "mine", "model": "m", "scope": "global"})
        await server.services.manager.reload_agent("default")
        await server.say("tokens 5", session_id="s")
        answer = await server.say('call get_token_usage {"days": 1}', session_id="s")
    assert "Last 1 days:" in answer
    usage = await server.call("GET", "/token-usage")
    assert usage["total_calls"] == 3
    assert usage["by_agent"]["default"]["call_count"] == 3
    assert usage["by_model"]["mine:m"]["prompt_tokens"] == usage["total_prompt_tokens"] > 0
    assert [*usage["by_date"]] == [date.today().isoformat()]


async def test_usage_of_some_days_one_model_or_one_provider(server):
    server.services.token_usage.record("default", ModelSlot("p", "m"), Usage(1, 2))
    today = date.today().isoformat()
    for query, calls in [(f"start_date={today}", 1), ("end_date=2020-01-01", 0), ("model=x", 0), ("provider=p", 1)]:
        assert (await server.call("GET", f"/token-usage?{query}"))["total_calls"] == calls
    assert (await server.error("GET", "/token-usage?start_date=soon", status=422))["field"] == "start_date"
