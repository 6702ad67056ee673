"""Estimates of tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from copaw.agents.context.tokens import MAX_FACTOR, MEDIA_TOKENS, MESSAGE_TOKENS, TokenMeter, size_bytes


def test_bytes_count_and_not_characters() -> None:
    meter = TokenMeter(4.0)
    assert meter.text("") == 0
    assert meter.text("a" * 400) == 101
    assert meter.text("漢" * 400) == 301
    assert size_bytes("\ud83d") == 3


def test_a_message_is_the_sum_of_its_blocks() -> None:
    meter = TokenMeter(4.0)
    media = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}
    assert meter.message([media]) == MESSAGE_TOKENS + MEDIA_TOKENS
    assert meter.message([{"type": "thinking", "thinking": "x" * 4000}]) == MESSAGE_TOKENS
    text = {"type": "text", "text": "x" * 400}
    assert meter.message([text]) == meter.message("x" * 400)
    assert meter.message([{"type": "tool_result", "output": [text, media]}]) == MESSAGE_TOKENS + 101 + MEDIA_TOKENS
    assert meter.message([{"type": "tool_use", "name": "shell", "input": {"command": "x" * 400}}]) > 100


def test_tools_are_measured_anew_when_they_are_others() -> None:
    meter = TokenMeter(4.0)
    some = [{"description": "d" * 400}]
    assert meter.schemas([]) == 1
    assert meter.schemas(some) == meter.schemas(some) > 100
    assert meter.schemas([*some, *some]) > 200


def test_a_count_that_was_too_low_is_corrected_and_one_that_was_too_high_is_not() -> None:
    meter = TokenMeter(4.0)
    meter.learn(1000, 1500)
    assert meter.factor == 1.5
    assert meter.text("a" * 4000) == 1001
    meter.learn(1000, 10)
    assert meter.factor == 1.0
    meter.learn(100, 10_000)
    assert meter.factor == 1.0


def test_a_prompt_that_was_too_long_fills_the_window_until_the_end() -> None:
    meter = TokenMeter(4.0)
    meter.overflowed(1000, 3000)
    assert meter.factor == 4.0
    meter.learn(1000, 1000)
    assert meter.factor == 4.0
    meter.overflowed(2000, 3000)
    assert meter.factor == 4.0
    meter.overflowed(0, 3000)
    assert meter.factor == 3000.0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-5, 10**7))))
def test_the_correction_stays_within_bounds(reports: list[tuple[int, int]]) -> None:
    meter = TokenMeter(4.0)
    for estimated, reported in reports:
        meter.learn(estimated, reported)
        assert 1.0 <= meter.factor <= MAX_FACTOR
