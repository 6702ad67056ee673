"""What holds in every protocol, against servers that speak it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from agentscope.message import Msg

from copaw.config.secrets import SecretFiles
from copaw.errors import ModelError, ModelRateLimited
from copaw.providers.answer import Answer, Usage
from copaw.providers.files import ModelSlot
from copaw.providers.limits import LLMLimits
from copaw.providers.registry import BoundModel, ModelRegistry
from copaw.providers.store import ProviderStore
from copaw.testing.model_server import ModelServer, running_model_server

QUICK = LLMLimits(backoff_base_s=0.001, rate_limit_pause_s=0.01, rate_limit_jitter_s=0)
SHELL = {"type": "function", "function": {"name": "shell", "description": "", "parameters": {"type": "object"}}}
PROTOCOLS = ["OpenAIChatModel", "AnthropicChatModel", "GeminiChatModel"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ModelServer]:
    async with running_model_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(running: ModelServer) -> ModelServer:
    await running.clear()
    return running


class Recorded:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Usage]] = []

    def __call__(self, slot: ModelSlot, usage: Usage) -> None:
        self.calls.append((slot.model, usage))


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture(params=PROTOCOLS)
def store(request: Any, tmp_path: Path, running: ModelServer) -> ProviderStore:
    store = ProviderStore(SecretFiles(tmp_path / "providers"))
    url = running.base_url.removesuffix("" if request.param == "OpenAIChatModel" else "/v1")
    store.add_custom("mine", "Mine", base_url=url, api_key="sk-test", chat_model=request.param)
    store.add_model("mine", "scripted")
    return store


@pytest_asyncio.fixture(loop_scope="module")
async def bound(store: ProviderStore, recorded: Recorded) -> AsyncIterator[BoundModel]:
    registry = ModelRegistry(store)
    yield await registry.chat_model(ModelSlot("mine", "scripted"), QUICK, recorded)
    await registry.aclose()


async def ask(bound: BoundModel, *said: Msg | str, tools: list[Any] | None = None) -> Answer:
    msgs = [Msg("system", "Be brief.", "system"), *(Msg("user", m, "user") if isinstance(m, str) else m for m in said)]
    return await bound.model.answer(await bound.formatter.format(msgs), tools)


async def test_an_answer_with_thinking_and_usage(bound: BoundModel, server: ModelServer, recorded: Recorded) -> None:
    answer = await ask(bound, "think hm hm\ntokens 5")
    thinking, text = answer.blocks()
    assert thinking["thinking"] == "hm hm "
    assert text["text"] == "tok " * 5
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0
    assert recorded.calls == [("scripted", answer.usage)]


async def test_calls_their_results_and_images_go_there_and_back(bound: BoundModel, server: ModelServer) -> None:
    said: list[Any] = ['think hm\ncall shell {"command": "echo é"}\ncall shell {"n": 2}']
    for arguments in ({"command": "echo é"}, {"n": 2}):
        answer = await ask(bound, *said, tools=[SHELL])
        *_, call = answer.blocks()
        assert (call["name"], call["input"]) == ("shell", arguments)
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
        output = [{"type": "text", "text": f"did {len(said)}"}, image]
        result = {"type": "tool_result", "id": call["id"], "name": "shell", "output": output}
        said += [Msg("bot", answer.blocks(), "assistant"), Msg("system", [result], "system")]
    assert (await ask(bound, *said, tools=[SHELL])).blocks()[-1]["text"] == "Results:\n1. did 1\n2. did 3"


async def test_a_conversation_that_another_model_began_goes_on(bound: BoundModel, server: ModelServer) -> None:
    use = {"type": "tool_use", "id": "call:é", "name": "shell", "input": {}, "raw_input": "{}"}
    result = {"type": "tool_result", "id": "call:é", "name": "shell", "output": "done"}
    thought = {"type": "thinking", "thinking": "I am another"}
    begun = [Msg("bot", [thought, use], "assistant"), Msg("system", [result], "system")]
    answer = await ask(bound, "first", *begun, Msg("bot", "so", "assistant"), "say on", tools=[SHELL])
    assert answer.blocks()[-1]["text"] == "on"


async def test_passing_failures_are_overcome(bound: BoundModel, server: ModelServer) -> None:
    assert (await ask(bound, "fail 503 times 2\nsay at last")).blocks()[-1]["text"] == "at last"
    assert (await ask(bound, "fail 429 times 1 retry-after 0\nsay again")).blocks()[-1]["text"] == "again"


@pytest.mark.parametrize(
    ("script", "advice", "kind"),
    [
        ("fail 401", "copaw models config-key mine", ModelError),
        ("fail 429", "limiting requests", ModelRateLimited),
        ("tokens 10\ncut", "broke off", ModelError),
    ],
)
async def test_failures_say_what_to_do(
    bound: BoundModel, server: ModelServer, script: str, advice: str, kind: type[ModelError]
) -> None:
    with pytest.raises(kind, match=advice):
        await ask(bound, script)


async def test_cancelling_closes_the_connection(bound: BoundModel, server: ModelServer) -> None:
    task = asyncio.create_task(ask(bound, "hang"))
    await server.record(received=1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.record(disconnects=1)
