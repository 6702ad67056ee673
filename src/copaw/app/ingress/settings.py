"""The bounds of an agent's ingress."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngressSettings:
    """Limits; times in seconds.

    :param start_timeout_s: how long a channel may take to connect.
    :param stop_timeout_s: how long it may take to disconnect before it is reported by name.
    :param backoff_s: pause before the second attempt to connect; doubled each time.
    :param backoff_max_s: longest pause.
    :param max_queued: messages that may wait in one session.
    :param max_queued_total: messages that may wait in all sessions of the agent.
    :param max_undelivered: answers that may wait for one session's channel.
    :param undelivered_s: how long an answer waits for its channel to come back.
    :param send_timeout_s: how long sending one answer may take.
    :param send_attempts: how often an answer is tried.
    :param send_retry_s: pause between two tries.
    :param dedup_size: message ids that are remembered.
    :param dedup_s: how long they are.
    :param finish_s: how long runs that have ended may take to be answered when everything is closed.
    :param flush_s: how long answers that are ready may take to leave when everything is closed.
    """

    start_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0
    max_queued: int = 100
    max_queued_total: int = 2000
    max_undelivered: int = 200
    undelivered_s: float = 600.0
    send_timeout_s: float = 60.0
    send_attempts: int = 3
    send_retry_s: float = 1.0
    dedup_size: int = 10_000
    dedup_s: float = 24 * 3600.0
    finish_s: float = 0.2
    flush_s: float = 3.0
