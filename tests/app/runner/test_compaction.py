"""What becomes of a session when a compaction in the middle of a turn is cut short, fails, or meets another turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from agentscope.formatter import FormatterBase, OpenAIChatFormatter

from copaw.agents.context.settings import ContextSettings
from copaw.agents.factory import AgentFactory
from copaw.agents.local_files import LocalFiles
from copaw.agents.media import MediaSettings
from copaw.aiokits.keyed import KeyedLocks
from copaw.app.runner.kept_files import KeptFiles
from copaw.app.runner.received import Receiver
from copaw.app.runner.runner import AgentTurnRunner
from copaw.app.runner.session import SessionFiles
from copaw.config.models import ModelSlotConfig
from copaw.config.models.agent import new_profile
from copaw.config.snapshot import AgentSnapshot
from copaw.errors import EndReason, ModelError, PromptTooLong
from copaw.paths import WorkspacePaths
from copaw.ports import Json, Tool, ToolContext, Turn
from copaw.providers.answer import Heard, Piece
from copaw.providers.chat_model import ChatModel

SMALL = ContextSettings(window=2000, threshold=1500, reserve=200)


class TwoMinds(ChatModel):
    """Answers turns with ``ok`` at once; what it is asked for notes is up to the test."""

    def __init__(self, notes: Callable[[], Any]) -> None:
        super().__init__("two-minds")
        self.notes = notes
        self.max_bytes: int | None = None

    async def converse(
        self, messages: list[Json], tools: list[Json] | None = None, tool_choice: str | None = None
    ) -> AsyncGenerator[Heard, None]:
        if self.max_bytes is not None and len(json.dumps(messages)) > self.max_bytes:
            raise PromptTooLong
        is_summary = "You keep the notes" in json.dumps(messages[0]["content"])
        yield [Piece(0, "text", await self.notes() if is_summary else "ok")]


class Bound:
    """A model with its formatter."""

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self.formatter: FormatterBase = OpenAIChatFormatter()


class NoTools:
    """No tools."""

    def __call__(self) -> Sequence[Tool]:
        return ()

    def origin(self, _name: str) -> str | None:
        return None


class Agent:
    """One session of an agent, on as many generations as a test wants."""

    def __init__(self, root: Path, notes: Callable[[], Any], settings: ContextSettings = SMALL) -> None:
        self.settings = settings
        self.files = WorkspacePaths(root)
        self.locks = KeyedLocks()
        self.told: list[str] = []
        self.model = TwoMinds(notes)
        self.end_reason: str | None = None
        self.runner = self.generation()

    def generation(self) -> AgentTurnRunner:
        profile = new_profile("a", "Agent")
        snapshot = AgentSnapshot("a", 1, self.files, profile, ModelSlotConfig(), "")

        async def bind() -> Bound:
            return Bound(self.model)

        local = LocalFiles((self.files.root,))
        return AgentTurnRunner(
            factory=AgentFactory(snapshot, bind, NoTools(), self.settings, MediaSettings(local)),
            receive=Receiver(self.files.media_dir, local),
            agent_name="Agent",
            sessions=SessionFiles(self.files.sessions_dir),
            kept=KeptFiles(self.files),
            locks=self.locks,
            make_context=lambda turn: ToolContext("a", self.files.root, turn.session_id, turn.user_id),
            report=lambda _session_id, text: self.told.append(text),
        )

    def turn(self, text: str) -> Turn:
        message = {"role": "user", "type": "message", "content": [{"type": "text", "text": text}]}
        turn = Turn("s", "u", "console", [message], "response_1", 0, lambda: self.end_reason, lambda: None)
        turn.wait_for_session = True
        return turn

    async def say(self, text: str, runner: AgentTurnRunner | None = None) -> Json:
        events: list[Json] = []
        await (runner or self.runner).run(self.turn(text), events.append)
        return events[-1]

    async def fill(self) -> None:
        """A conversation that the next message makes too long."""
        for number in range(5):
            assert (await self.say(f"{number} " + "x" * 1000))["status"] == "completed"

    def stored(self) -> Json:
        text = (self.files.sessions_dir / "u_s.json").read_text()
        memory: Json = json.loads(text)["agent"]["memory"]
        return memory

    def said(self) -> list[str]:
        return [message["content"][0]["text"].split()[0] for message, _ in self.stored()["content"]]


async def written(agent: Agent) -> tuple[list[str], str]:
    memory = await asyncio.to_thread(agent.stored)
    return await asyncio.to_thread(agent.said), memory["_compressed_summary"]


@pytest.fixture
def asked() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def hanging(tmp_path: Path, asked: asyncio.Event) -> Agent:
    """Notes are never finished, until a test says otherwise."""

    async def notes() -> str:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    return Agent(tmp_path, notes)


EVERYTHING = [word for number in range(5) for word in (str(number), "ok")]


async def test_a_cancellation_during_a_compaction_loses_nothing(hanging: Agent, asked: asyncio.Event) -> None:
    await hanging.fill()
    events: list[Json] = []
    run = asyncio.create_task(hanging.runner.run(hanging.turn("5 " + "x" * 1000), events.append))
    await asked.wait()
    hanging.end_reason = EndReason.USER_STOP
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (events[-1]["status"], events[-1]["error"]["reason"]) == ("failed", "user_stop")
    assert await written(hanging) == ([*EVERYTHING, "5"], "")
    assert not hanging.files.dialog_dir.exists()

    async def notes() -> str:
        return "noted"

    hanging.end_reason, hanging.model.notes = None, notes
    assert (await hanging.say("6 on"))["status"] == "completed"
    said, summary = await written(hanging)
    assert said[-2:] == ["6", "ok"]
    assert "\nnoted\n" in summary


async def test_a_turn_on_a_newer_generation_waits_for_a_compaction(hanging: Agent, asked: asyncio.Event) -> None:
    await hanging.fill()
    go_on = asyncio.Event()

    async def notes() -> str:
        asked.set()
        await go_on.wait()
        return "noted"

    hanging.model.notes = notes
    first = asyncio.create_task(hanging.say("5 " + "x" * 1000))
    await asked.wait()
    second = asyncio.create_task(hanging.say("6 on", hanging.generation()))
    await asyncio.sleep(0.05)
    assert not second.done()
    go_on.set()
    assert (await first)["status"] == (await second)["status"] == "completed"
    said, summary = await written(hanging)
    assert said[-4:] == ["5", "ok", "6", "ok"]
    assert "\nnoted\n" in summary


async def test_a_model_that_fails_at_the_notes_does_not_end_the_turn(tmp_path: Path) -> None:
    async def notes() -> str:
        raise ModelError("no model today")

    agent = Agent(tmp_path, notes)
    await agent.fill()
    assert (await agent.say("5 " + "x" * 1000))["status"] == "completed"
    said, summary = await written(agent)
    assert said[-2:] == ["5", "ok"]
    assert len(said) < len(EVERYTHING)
    assert "messages are not in these notes.]" in summary
    assert agent.told == [
        "The older part of this conversation could not be summarised and was left out: no model today"
    ]
    kept = await asyncio.to_thread(KeptFiles(agent.files).compacted, agent.files.sessions_dir / "u_s.json")
    words = [message["content"][0]["text"].split()[0] for message, _ in kept]
    assert [*words, *said] == [*EVERYTHING, "5", "ok"]


async def noted() -> str:
    return "noted"


async def test_a_model_that_takes_less_than_configured_is_given_less(tmp_path: Path) -> None:
    agent = Agent(tmp_path, noted, ContextSettings())
    await agent.fill()
    await agent.fill()
    agent.model.max_bytes = 8000
    assert (await agent.say("now " + "x" * 1000))["status"] == "completed"
    said, summary = await written(agent)
    assert said[-2:] == ["now", "ok"]
    assert "\nnoted\n" in summary
    # What was learned serves the turns that follow: none of them is refused first.
    agent.model.max_bytes = 9000
    for _ in range(20):
        assert (await agent.say("more " + "x" * 1000))["status"] == "completed"
    compacted = await agent.runner.compact(agent.turn(""))
    assert compacted.messages > 0


async def test_a_prompt_that_cannot_be_made_shorter_is_refused_as_it_was(tmp_path: Path) -> None:
    agent = Agent(tmp_path, noted)
    agent.model.max_bytes = 10
    response = await agent.say("too long already")
    assert (response["status"], response["error"]["message"]) == ("failed", PromptTooLong().message)
    assert await asyncio.to_thread(agent.said) == ["too"]
