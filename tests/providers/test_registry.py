from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from agentscope.message import Msg
from agentscope.model import ChatResponse

from copaw.config.secrets import SecretFiles
from copaw.errors import LifecycleBug, ModelError, ModelNotConfigured, ModelRateLimited
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.registry import BoundModel, ModelRegistry
from copaw.providers.store import ProviderStore
from copaw.testing.model_server import ModelServer, running_model_server

SLOT = ModelSlot("mine", "scripted")
QUICK = LLMLimits(backoff_base_s=0.001, rate_limit_pause_s=0.01, rate_limit_jitter_s=0)
SHELL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object", "properties": {}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ModelServer]:
    async with running_model_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(running: ModelServer) -> ModelServer:
    await running.clear()
    return running


@pytest.fixture
def store(tmp_path: Path, running: ModelServer) -> ProviderStore:
    store = ProviderStore(SecretFiles(tmp_path / "providers"))
    store.add_custom("mine", "Mine", base_url=running.base_url, api_key="sk-test")
    store.add_model("mine", "scripted")
    return store


@pytest_asyncio.fixture(loop_scope="module")
async def registry(store: ProviderStore) -> AsyncIterator[ModelRegistry]:
    registry = ModelRegistry(store)
    yield registry
    await registry.aclose()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(bound: BoundModel, text: str, **options: Any) -> list[ChatResponse]:
    messages = await bound.formatter.format([Msg("a user", text, "user")])
    return [chunk async for chunk in await bound.model(messages, **options)]


def text_of(chunk: ChatResponse) -> str:
    return "".join(block["text"] for block in chunk.content if block["type"] == "text")


async def test_text_streams_through_agentscope_with_usage(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    chunks = await ask(bound, "tokens 5\nthink hm hm\ndelay 0.01")
    texts = [text_of(chunk) for chunk in chunks]
    assert texts[-1] == "tok " * 5
    assert len({*texts}) == 6, "each chunk has all that came before"
    assert chunks[-1].content[0]["thinking"] == "hm hm "
    assert chunks[-1].usage is not None
    (body,) = (await server.record())["requests"]
    assert body["model"] == "scripted"
    assert body["messages"] == [{"role": "user", "content": "tokens 5\nthink hm hm\ndelay 0.01"}]


async def test_tool_calls_stream_through_agentscope(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    chunks = await ask(bound, 'call shell {"command": "echo hi"}', tools=[SHELL])
    (block,) = chunks[-1].content
    assert (block["name"], block["input"]) == ("shell", {"command": "echo hi"})


async def test_a_provider_that_cannot_stream_is_asked_for_the_whole(
    registry: ModelRegistry, store: ProviderStore, server: ModelServer
) -> None:
    await asyncio.to_thread(store.configure, "mine", generate_kwargs={"stream": False})
    bound = await registry.chat_model(SLOT, QUICK)
    assert [text_of(chunk) for chunk in await ask(bound, "say whole")] == ["whole"]


async def test_the_whole_answer_can_be_waited_for(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    answer = await bound.model.answer([{"role": "user", "content": "tokens 3"}])
    assert answer.blocks() == [{"type": "text", "text": "tok tok tok "}]
    assert answer.usage == (1, 4, 0)


async def test_every_model_of_a_provider_shares_its_connections(registry: ModelRegistry, server: ModelServer) -> None:
    before = (await server.record())["connections"]
    for _ in range(5):
        bound = await registry.chat_model(SLOT, QUICK)
        await ask(bound, "say hi")
        await ask(bound, "say hi")
    after = await server.record(received=10)
    assert after["connections"] - before == 2, "one for ten calls, one for the question after them"


async def test_a_changed_configuration_counts_at_the_next_call_of_the_same_model(
    registry: ModelRegistry, store: ProviderStore, server: ModelServer
) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    await ask(bound, "say one")
    await asyncio.to_thread(
        store.configure, "mine", api_key="sk-other", generate_kwargs={"temperature": 0.5, "top_p": None}
    )
    await ask(bound, "say two")
    record = await server.record(received=2)
    assert [head["authorization"] for head in record["headers"]] == ["Bearer sk-test", "Bearer sk-other"]
    assert record["requests"][1]["temperature"] == 0.5
    assert "top_p" not in record["requests"][1]


async def test_cancelling_a_call_that_hangs_closes_its_connection(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    task = asyncio.create_task(ask(bound, "hang"))
    await server.record(received=1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert registry.statistics() == {"mine": 0}
    assert (await server.record(disconnects=1))["disconnects"] == 1


async def test_cancelling_in_mid_stream_closes_its_connection(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    begun = asyncio.Event()

    async def read() -> None:
        messages = [{"role": "user", "content": "tokens 1000\ndelay 0.01"}]
        async for _ in bound.model.converse(messages):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.record(disconnects=1)
    assert registry.statistics() == {"mine": 0}


async def test_a_reader_that_stops_closes_the_connection(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    stream = bound.model.converse([{"role": "user", "content": "tokens 1000\ndelay 0.01"}])
    async with aclosing(stream):
        await anext(stream)
        assert registry.statistics() == {"mine": 1}
    assert registry.statistics() == {"mine": 0}
    await server.record(disconnects=1)


async def test_passing_failures_are_overcome(registry: ModelRegistry, server: ModelServer) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    assert text_of((await ask(bound, "fail 503 times 2\nsay at last"))[-1]) == "at last"
    assert text_of((await ask(bound, "fail 429 times 1 retry-after 0\nsay again"))[-1]) == "again"
    assert (await server.record())["received"] == 5


@pytest.mark.parametrize(
    ("script", "advice", "kind", "requests"),
    [
        ("fail 401", "copaw models config-key mine", ModelError, 1),
        ("fail 404", "copaw models set-llm", ModelError, 1),
        ("fail 500", "4 attempts", ModelError, 4),
        ("fail 429", "limiting requests", ModelRateLimited, 4),
        ("tokens 10\ncut", "broke off", ModelError, 1),
    ],
)
async def test_failures_say_what_to_do(
    registry: ModelRegistry, server: ModelServer, script: str, advice: str, kind: type[ModelError], requests: int
) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    with pytest.raises(kind, match=advice) as caught:
        await ask(bound, script)
    assert caught.value.__cause__ is not None
    assert (await server.record())["received"] == requests


async def test_an_address_where_nobody_listens_is_named(
    registry: ModelRegistry, store: ProviderStore, unused_tcp_port: int
) -> None:
    await asyncio.to_thread(store.configure, "mine", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    bound = await registry.chat_model(SLOT, LLMLimits(retry_enabled=False))
    with pytest.raises(ModelError, match=f"Cannot reach provider 'mine' at http://127.0.0.1:{unused_tcp_port}/v1"):
        await ask(bound, "hi")


@pytest.mark.parametrize(
    ("slot", "advice"),
    [
        (ModelSlot("nope", "m"), "copaw models set-llm"),
        (ModelSlot("openai", "gpt-5"), "copaw models config-key openai"),
        (ModelSlot("anthropic", "m"), "copaw models config-key anthropic"),
        (ModelSlot("copaw-local", "m"), "no address yet"),
    ],
)
async def test_a_model_that_cannot_be_called_says_why(registry: ModelRegistry, slot: ModelSlot, advice: str) -> None:
    with pytest.raises(ModelNotConfigured, match=advice):
        await registry.chat_model(slot, QUICK)


async def test_a_provider_removed_later_fails_the_next_call(
    registry: ModelRegistry, store: ProviderStore, server: ModelServer
) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    await asyncio.to_thread(store.remove_custom, "mine")
    with pytest.raises(ModelNotConfigured, match="no model provider 'mine'"):
        await ask(bound, "hi")


async def test_the_demo_needs_nothing(registry: ModelRegistry) -> None:
    bound = await registry.chat_model(ModelSlot("demo", "demo"), QUICK)
    assert "no intelligence" in text_of((await ask(bound, "hi"))[-1])


async def test_a_closed_registry_makes_no_calls_and_leaves_no_connection(
    registry: ModelRegistry, server: ModelServer
) -> None:
    bound = await registry.chat_model(SLOT, QUICK)
    await ask(bound, "say hi")
    await registry.aclose()
    assert (await server.record())["open"] == 1, "only the question's own"
    with pytest.raises(LifecycleBug):
        await ask(bound, "say hi")
