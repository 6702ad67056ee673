from __future__ import annotations

import logging

import pytest

from copaw.config.changes import ConfigChange, Subscribers

CHANGE = ConfigChange("agent", "a", 2)


def test_subscribers_hear_of_changes_until_they_leave() -> None:
    subscribers, heard = Subscribers(), []
    leave = subscribers.add(heard.append)
    subscribers.add(heard.append)
    subscribers.tell([CHANGE])
    assert heard == [CHANGE, CHANGE]
    leave()
    leave()
    subscribers.tell([CHANGE])
    assert len(heard) == 3


def test_a_subscriber_that_fails_is_logged_and_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    subscribers, heard = Subscribers(), []

    def fail(change: ConfigChange) -> None:
        raise RuntimeError("broken subscriber")

    subscribers.add(fail)
    subscribers.add(heard.append)
    with caplog.at_level(logging.ERROR):
        subscribers.tell([CHANGE])
    assert heard == [CHANGE]
    assert "broken subscriber" in caplog.text


def test_a_subscriber_may_leave_while_it_is_told() -> None:
    subscribers, heard = Subscribers(), []

    def once(change: ConfigChange) -> None:
        heard.append(change)
        leave()

    leave = subscribers.add(once)
    subscribers.add(heard.append)
    subscribers.tell([CHANGE, CHANGE])
    assert len(heard) == 3
