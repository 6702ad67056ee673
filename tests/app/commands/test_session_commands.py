"""Commands on a conversation: nothing is lost, and a turn under way is never written over."""

from __future__ import annotations

import asyncio
import json

import pytest

from copaw.app import chat_admin
from copaw.app.runner.session import SessionFiles
from copaw.errors import EndReason, SessionBusy

BUSY = "A run is under way in this conversation."


async def test_stop_ends_the_run_and_only_it(talk):
    run = await talk.running()
    other = await talk.running(session_id="other")
    assert await talk.say("/stop") == "Stopped by the user."
    response = await run.wait_end()
    assert response["error"]["reason"] == EndReason.USER_STOP
    assert not other.status.terminal
    assert await talk.say("/stop") == "Nothing is running here."
    await talk.end(other)


async def test_stop_finds_the_run_on_an_older_generation(talk):
    run = await talk.running()
    await talk.configure(lambda profile: setattr(profile.running, "max_iters", 7))
    await talk.services.manager.reload_agent("default")
    assert run.generation < talk.generation
    assert await talk.say("/stop") == "Stopped by the user."
    await run.wait_end()


async def test_stop_is_for_a_whole_group_but_not_for_strangers_elsewhere(talk):
    run = await talk.running(user_id="a", channel="group")
    assert await talk.say("/stop", user_id="b", channel="console") == "Nothing is running here."
    assert await talk.say("/stop", user_id="b", channel="group") == "Stopped by the user."
    await run.wait_end()


@pytest.mark.parametrize("why", ["new", "clear"])
async def test_beginning_anew_keeps_what_was_said_in_a_file(talk, why):
    await talk.say("say one")
    answer = await talk.say(f"/{why}")
    assert "dialog/u_s/" in answer
    assert talk.memory() == {"content": [], "_compressed_summary": ""}
    (kept,) = talk.kept(why)
    assert [message["content"][0]["text"] for message, _ in kept["content"]] == ["say one", "one"]
    await talk.say("say two")
    assert talk.said() == ["say two", "two"]
    assert await talk.say(f"/{why}", session_id="fresh") == (
        "There is nothing here yet. The next message begins the conversation."
    )


async def test_a_kept_conversation_can_be_brought_back(talk):
    await talk.say("say one")
    before = talk.memory()
    await talk.say("/new")
    (kept,) = (talk.workspace / "dialog" / "u_s").iterdir()
    kept.replace(talk.workspace / "sessions" / "u_s.json")
    assert talk.memory() == before
    await talk.say("say two")
    assert talk.said() == ["say one", "one", "say two", "two"]


async def test_fields_of_the_session_that_this_version_does_not_know_stay(talk):
    await talk.say("say one")
    path = talk.workspace / "sessions" / "u_s.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "later": 1}))
    await talk.say("/clear")
    assert json.loads(path.read_text())["later"] == 1


@pytest.mark.parametrize("text", ["/new", "/clear", "/compact"])
async def test_a_turn_under_way_is_not_written_over(talk, text):
    await talk.say("say one")
    run = await talk.running()
    answer = await talk.say(text)
    assert answer.startswith(BUSY)
    assert f"send {text} again" in answer
    await talk.end(run)
    assert talk.said()[:3] == ["say one", "one", "delay 60\nsay never said"]


async def test_compacting_is_followed_by_a_turn_that_has_the_summary(talk):
    await talk.say("say one")
    answer = await talk.say("/compact say the notes on everything")
    assert answer.startswith("2 messages are summarised: about ")
    assert "dialog/u_s/" in answer
    memory = talk.memory()
    assert memory["content"] == []
    assert memory["_compressed_summary"].splitlines()[1:-1] == ["the notes on everything"]
    await talk.say("say two")
    assert talk.said() == ["say two", "two"]
    assert talk.memory()["_compressed_summary"] == memory["_compressed_summary"]
    (kept,) = talk.kept("compact")
    assert len(kept["content"]) == 2
    assert await talk.say("/compact", session_id="fresh") == "There is nothing to summarise."


async def test_a_compaction_counts_as_a_run_and_can_be_stopped(talk):
    await talk.say("say one")
    before = talk.memory()
    run = await talk.running_command("/compact delay 60\nsay never said here")
    chats = await talk.services.chats.of("default")
    chat = chats.find("s", "u", "console")
    assert talk.services.manager.slot("default").tracker.find(chat.id) is run
    with pytest.raises(SessionBusy):
        await talk.start("say two")
    assert (await talk.say("/clear")).startswith(BUSY)
    assert await talk.say("/stop") == "Stopped by the user."
    assert (await run.wait_end())["error"]["reason"] == EndReason.USER_STOP
    assert talk.memory() == before
    assert await talk.say("say two") == "two"


async def test_a_compaction_ends_on_its_own_generation_over_a_reload(talk):
    await talk.say("say one")
    run = await talk.running_command("/compact delay 0.05\nsay these are the notes that take a while to write")
    await talk.configure(lambda profile: setattr(profile.running, "max_iters", 7))
    report = await talk.services.manager.reload_agent("default")
    assert report.outcome == "swapped"
    assert not run.status.terminal
    assert (await run.wait_end())["status"] == "completed"
    assert "\nthese are the notes that take a while to write\n" in talk.memory()["_compressed_summary"]
    assert (run.generation, talk.generation) == (1, 2)


async def test_two_generations_cannot_compact_and_clear_at_once(talk):
    await talk.say("say one")
    run = await talk.running_command("/compact delay 60\nsay never said here")
    await talk.configure(lambda profile: setattr(profile.running, "max_iters", 7))
    await talk.services.manager.reload_agent("default")
    assert (await talk.say("/clear")).startswith(BUSY)
    await talk.end(run)
    assert "dialog/u_s/" in await talk.say("/clear")


async def test_clearing_many_times_at_once_loses_nothing(talk):
    await talk.say("say one")
    answers = await asyncio.gather(*(talk.say("/clear") for _ in range(5)))
    assert sum("dialog/u_s/" in answer for answer in answers) == 1
    assert len(talk.kept("clear")) == 1


async def test_the_history_tells_sizes_and_what_was_said(talk):
    await talk.say('call execute_shell_command {"command": "echo found"}\nsay one')
    lines = (await talk.say("/history")).splitlines()
    assert lines[0].startswith("4 messages, about ")
    assert " of 131072 tokens (0 %)." in lines[0]
    assert lines[1].startswith('1. user: call execute_shell_command {"command": "echo found"} say one (')
    assert lines[2].startswith('2. assistant calls execute_shell_command: {"command": "echo found"} (')
    assert lines[3].startswith("3. result of execute_shell_command: found (")
    assert lines[4].startswith("4. assistant: one (")
    await talk.say("/compact say notes")
    assert "a summary of earlier messages" in await talk.say("/history")


async def test_the_history_is_not_longer_than_configured(talk):
    await talk.configure(lambda profile: setattr(profile.running, "history_max_length", 1000))
    await talk.services.manager.reload_agent("default")
    for number in range(12):
        await talk.say(f"say {number} " + "word " * 30)
    answer = await talk.say("/history")
    assert len(answer) <= 1050
    lines = answer.splitlines()
    assert lines[1].endswith("earlier ones are not shown]")
    assert lines[-1].startswith("24. assistant: 11 word")


async def test_a_damaged_session_is_left_for_the_next_turn_to_set_aside(talk):
    path = talk.workspace / "sessions" / "u_s.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{")
    assert (await talk.say("/history")).startswith("0 messages")
    assert path.read_text() == "{"
    kept = await asyncio.to_thread(SessionFiles(path.parent).peek, path)
    assert kept.content == []


async def test_a_chat_is_shown_with_what_a_compaction_took_out_until_it_begins_anew(talk):
    async def shown() -> list[str]:
        (chat,) = (await talk.services.chats.of("default")).select()
        messages = (await chat_admin.history(talk.services, "default", chat.id)).messages
        return [message["content"][0]["text"] for message in messages]

    await talk.say("say one")
    await talk.say("/compact say notes")
    await talk.say("say two")
    await talk.say("/compact say notes")
    await talk.say("say three")
    assert await shown() == ["say one", "one", "say two", "two", "say three", "three"]
    _, second = sorted((talk.workspace / "dialog" / "u_s").iterdir())
    second.write_text("{")
    assert await shown() == ["say one", "one", "say three", "three"]
    await talk.say("/clear")
    assert await shown() == []
    await talk.say("say four")
    assert await shown() == ["say four", "four"]
