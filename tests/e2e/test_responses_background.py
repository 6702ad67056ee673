"""OpenAI's own client drives background responses, which are tasks of the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from openai.types.responses import Response

from copaw.testing.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SLOW = "tokens 12\ndelay 0.05"
ANSWER = "tok " * 12
ENDLESS = "tokens 2000\ndelay 0.05"
UNDER_WAY = ("queued", "in_progress")


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: RunningServer, agent: str) -> AsyncIterator[AsyncOpenAI]:
    base_url = f"{server.base_url}/api/agent/compatible-mode/v1"
    headers = {"X-Agent-Id": agent}
    async with AsyncOpenAI(base_url=base_url, api_key="x", default_headers=headers, max_retries=0) as made:
        yield made


async def ended(client: AsyncOpenAI, response_id: str) -> Response:
    """Poll, as the client's own documentation says, until the response has ended."""
    found: list[Response] = []

    async def reached() -> bool:
        found.append(await client.responses.retrieve(response_id))
        return found[-1].status not in UNDER_WAY

    await wait_until(reached)
    return found[-1]


async def test_a_background_response_is_created_and_polled_to_its_end(
    client: AsyncOpenAI, server: RunningServer, agent: str
) -> None:
    created = await client.responses.create(model="any", input=SLOW, background=True, metadata={"mine": "yes"})
    assert created.id.startswith("resp_")
    assert (created.object, created.background, created.model) == ("response", True, "any")
    assert created.status in UNDER_WAY
    done = await ended(client, created.id)
    assert (done.status, done.output_text, done.error, done.metadata) == ("completed", ANSWER, None, {"mine": "yes"})
    task = await server.call("GET", f"/tasks/{created.id.removeprefix('resp_')}")
    assert (task["state"], task["agent_id"]) == ("succeeded", agent)


async def test_a_long_one_is_cancelled(client: AsyncOpenAI) -> None:
    created = await client.responses.create(model="any", input=ENDLESS, background=True)
    cancelled = await client.responses.cancel(created.id)
    assert cancelled.status == "cancelled"
    assert (await client.responses.cancel(created.id)).status == "cancelled"


async def test_one_that_takes_too_long_is_incomplete_and_says_why(client: AsyncOpenAI) -> None:
    created = await client.responses.create(
        model="any", input=ENDLESS, background=True, extra_body={"timeout_seconds": 0.3}
    )
    found = (await ended(client, created.id)).to_dict()
    assert (found["status"], found["incomplete_details"], found["error"]["code"]) == (
        "incomplete",
        {"reason": "timeout"},
        "timeout",
    )


async def _read(stream: Any, until: int | None = None) -> list[Any]:
    events = []
    async with stream:
        async for event in stream:
            events.append(event)
            if event.sequence_number == until:
                break
    return events


async def test_a_stream_is_left_and_resumed_where_it_was(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="any", input=SLOW, background=True, stream=True)
    begun = await _read(stream, until=6)
    assert [event.type for event in begun[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    response_id = begun[0].response.id
    rest = await _read(await client.responses.retrieve(response_id, stream=True, starting_after=6))
    whole = [*begun, *rest]
    assert [event.sequence_number for event in whole] == list(range(len(whole)))
    assert "".join(event.delta for event in whole if event.type == "response.output_text.delta") == ANSWER
    assert (whole[-1].type, whole[-1].response.output_text) == ("response.completed", ANSWER)
    again = await _read(await client.responses.retrieve(response_id, stream=True))
    assert [(event.type, event.sequence_number) for event in again] == [
        (event.type, event.sequence_number) for event in whole
    ]


async def test_the_next_response_goes_on_with_the_session_of_the_one_before(
    client: AsyncOpenAI, server: RunningServer
) -> None:
    first = await client.responses.create(model="any", input="say one", background=True)
    second = await client.responses.create(
        model="any", input=[{"role": "user", "content": "say two"}], background=True, previous_response_id=first.id
    )
    assert (await ended(client, second.id)).output_text == "two"
    ids = [response.id.removeprefix("resp_") for response in (first, second)]
    sessions = [(await server.call("GET", f"/tasks/{task_id}"))["session_id"] for task_id in ids]
    assert sessions[0] == sessions[1]


async def test_without_background_the_client_gets_the_bare_response(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model="any", input="say at once")
    assert (answer.object, answer.status, answer.output_text) == ("response", "completed", "at once")


async def test_bad_input_is_refused_with_the_field(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=r"input\.0"):
        await client.responses.create(model="any", input=[{"type": "item_reference", "id": "x"}], background=True)
    with pytest.raises(openai.UnprocessableEntityError, match="timeout_seconds"):
        await client.responses.create(model="any", input="x", background=True, extra_body={"timeout_seconds": -1})
    for unknown in ("resp_nothing", "nothing"):
        with pytest.raises(openai.NotFoundError, match="nothing"):
            await client.responses.retrieve(unknown)
        with pytest.raises(openai.NotFoundError, match="nothing"):
            await client.responses.cancel(unknown)
