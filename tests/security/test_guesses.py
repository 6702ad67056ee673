from __future__ import annotations

import pytest

from copaw.errors import TooManyAttempts
from copaw.security.guesses import (
    FORGET_AFTER_S,
    FREE_ATTEMPTS,
    LONGEST_PAUSE_S,
    MAX_CLIENTS,
    OVERALL_BURST,
    OVERALL_INTERVAL_S,
    GuessLimit,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> GuessLimit:
    return GuessLimit(clock)


def wait_s(limit: GuessLimit, client: str = "10.0.0.1") -> int:
    """What the client is told to wait; 0 if its attempt is taken."""
    try:
        limit.begin(client)
    except TooManyAttempts as error:
        return error.retry_after_s
    return 0


def test_the_pause_doubles_with_each_failure_up_to_a_bound(limit: GuessLimit, clock: Clock) -> None:
    assert [wait_s(limit) for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS
    pauses = []
    for _ in range(12):
        pauses.append(wait_s(limit))
        clock.now += pauses[-1]
        assert wait_s(limit) == 0
    assert pauses[:5] == [2, 4, 8, 16, 32]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_an_attempt_that_is_refused_does_not_lengthen_the_pause(limit: GuessLimit, clock: Clock) -> None:
    for _ in range(FREE_ATTEMPTS):
        limit.begin("10.0.0.1")
    assert [wait_s(limit) for _ in range(50)] == [2] * 50
    clock.now += 2
    assert wait_s(limit) == 0


def test_many_at_once_gain_nothing(limit: GuessLimit) -> None:
    # No answer has come yet, and all the same only so many get through.
    assert [wait_s(limit) for _ in range(100)].count(0) == FREE_ATTEMPTS


def test_success_forgives_what_was_tried_before(limit: GuessLimit) -> None:
    for _ in range(FREE_ATTEMPTS - 1):
        limit.begin("10.0.0.1")
    for _ in range(OVERALL_BURST * 3):
        limit.begin("10.0.0.1")
        limit.succeeded("10.0.0.1")
    assert [wait_s(limit) for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS
    assert wait_s(limit) > 0


def test_time_forgives(limit: GuessLimit, clock: Clock) -> None:
    for _ in range(FREE_ATTEMPTS):
        limit.begin("10.0.0.1")
    clock.now += FORGET_AFTER_S + 1
    assert [wait_s(limit) for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS


def test_another_client_is_not_made_to_wait(limit: GuessLimit) -> None:
    while not wait_s(limit):
        pass
    assert wait_s(limit, "10.0.0.2") == 0


def test_all_clients_together_have_a_rate(limit: GuessLimit, clock: Clock) -> None:
    taken = [wait_s(limit, f"10.0.{number // 256}.{number % 256}") for number in range(OVERALL_BURST * 3)]
    assert taken.count(0) == OVERALL_BURST
    assert set(taken[OVERALL_BURST:]) == {OVERALL_INTERVAL_S}
    clock.now += OVERALL_INTERVAL_S
    assert [wait_s(limit, f"10.9.0.{number}") for number in range(3)].count(0) == 1


def test_a_day_of_guessing_from_everywhere_is_bounded(limit: GuessLimit, clock: Clock) -> None:
    taken = 0
    for second in range(86_400):
        clock.now += 1
        taken += wait_s(limit, f"10.{second % 200}.{second // 200 % 200}.1") == 0
    assert taken <= OVERALL_BURST + 86_400 / OVERALL_INTERVAL_S


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("unix", "unix"), ("", "")],
)
def test_addresses_of_one_subscriber_count_as_one_client(limit: GuessLimit, one: str, other: str) -> None:
    for _ in range(FREE_ATTEMPTS):
        limit.begin(one)
    assert wait_s(limit, other) > 0


def test_what_is_remembered_is_bounded(limit: GuessLimit, clock: Clock) -> None:
    for number in range(MAX_CLIENTS * 3):
        clock.now += OVERALL_INTERVAL_S
        wait_s(limit, f"10.1.{number // 256}.{number % 256}")
    assert len(limit) == MAX_CLIENTS
