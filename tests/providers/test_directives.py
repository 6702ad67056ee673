from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copaw.providers.directives import Call, Failure, next_turn, parse, pieces

SHELL = {"type": "function", "function": {"name": "shell", "parameters": {}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def called(*names: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": name}} for name in names]}


def result(text: str) -> dict[str, Any]:
    return {"role": "tool", "content": text}


def test_every_directive_is_read_and_the_rest_is_text() -> None:
    script = parse(
        'hello\ncall shell {"command": "echo hi"}\ncall time\nsay a\nsay b\ndelay 0.5\ntokens 7\nthink hm\n'
        "fail 429 times 2 retry-after 1.5\nhang\ncut\nbye"
    )
    assert script.text == "hello\nbye"
    assert script.calls == [Call("shell", {"command": "echo hi"}), Call("time", {})]
    assert (script.say, script.delay_s, script.tokens, script.think) == ("a\nb", 0.5, 7, "hm")
    assert script.fail == Failure(429, 2, 1.5)
    assert script.hang
    assert script.cut


@pytest.mark.parametrize("line", ["call shell {bad json}", "call me maybe", "delay a while", "hang on", "fail 5"])
def test_what_is_not_well_formed_is_plain_text(line: str) -> None:
    script = parse(line)
    assert script.text == line
    assert not script.calls
    assert script.fail is None


@pytest.mark.parametrize("prefix", ["[Agent bob requesting] ", "[Agent a b requesting] ", "[来自智能体 bob 的请求] "])
def test_who_asks_does_not_disturb(prefix: str) -> None:
    assert parse(prefix + "say hi").say == "hi"
    assert parse(prefix + "hello").text == "hello"


def test_calls_are_made_one_a_turn_and_then_comes_the_answer() -> None:
    messages = [user('call shell {"n": 1}\ncall shell {"n": 2}\nsay got {1} and {2} not {3}')]
    first = next_turn(messages, [SHELL])
    assert first.call == Call("shell", {"n": 1})
    assert first.is_first
    messages += [called("shell"), result(" one \n")]
    second = next_turn(messages, [SHELL])
    assert second.call == Call("shell", {"n": 2})
    assert not second.is_first
    messages += [called("shell"), result("two")]
    last = next_turn(messages, [SHELL])
    assert last.call is None
    assert "".join(last.chunks("")) == "got one and two not {3}"


def test_only_what_came_after_the_last_user_message_counts() -> None:
    messages = [user("call shell"), called("shell"), result("old"), {"role": "assistant", "content": "done"}]
    turn = next_turn([*messages, user("call shell")], [SHELL])
    assert turn.call == Call("shell", {})
    assert turn.results == []


def test_a_tool_that_is_not_offered_is_left_out_and_said() -> None:
    turn = next_turn([user("call other\ncall shell")], [SHELL])
    assert turn.call == Call("shell", {})
    assert "other" in turn.unknown_tools()


def test_without_a_user_message_there_is_nothing_to_do() -> None:
    turn = next_turn([{"role": "system", "content": "call shell"}], [SHELL])
    assert turn.call is None
    assert turn.script.text == ""


@given(st.text())
def test_pieces_are_few_and_together_give_the_text(text: str) -> None:
    cut = pieces(text)
    assert "".join(cut) == text
    assert len(cut) <= 24


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    parse(text)
