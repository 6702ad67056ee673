"""A limit on guessing passwords: a pause that doubles for each client, and a rate for all clients together.

An attempt counts as failed from its beginning and is forgiven when it succeeds, so that many at once gain nothing.
What is remembered is bounded: at most ``MAX_CLIENTS`` clients, the longest idle of which are forgotten first. The
rate for all holds for those who change their address faster than that.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from copaw.errors import TooManyAttempts

FREE_ATTEMPTS = 5
"""Of one client, before the first pause."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
FORGET_AFTER_S = 900.0
"""Without an attempt a client is as good as new."""
MAX_CLIENTS = 1024
OVERALL_BURST = 30
OVERALL_INTERVAL_S = 10.0
"""All clients together: so many at once, and one more each interval."""


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = -math.inf
    blocked_until: float = -math.inf


class GuessLimit:
    """Counts attempts; see the module.

    :param clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, _Failures] = OrderedDict()
        self._tokens = float(OVERALL_BURST)
        self._refilled = clock()

    def begin(self, client: str) -> None:
        """Count one attempt of a client, named by its address.

        :raises TooManyAttempts: it has to wait; the attempt did not count.
        """
        now = self._clock()
        self._refill(now)
        failures = self._of(_network(client), now)
        wait_s = failures.blocked_until - now
        if wait_s <= 0 and self._tokens < 1:
            wait_s = (1 - self._tokens) * OVERALL_INTERVAL_S
        if wait_s > 0:
            raise TooManyAttempts(retry_after_s=math.ceil(wait_s))
        self._tokens -= 1
        failures.count += 1
        failures.last = now
        excess = failures.count - FREE_ATTEMPTS
        if excess >= 0:
            failures.blocked_until = now + min(FIRST_PAUSE_S * 2.0 ** min(excess, 32), LONGEST_PAUSE_S)

    def succeeded(self, client: str) -> None:
        """Forgive what the client tried before."""
        self._clients.pop(_network(client), None)
        self._tokens = min(self._tokens + 1, OVERALL_BURST)

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._clients)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._tokens + (now - self._refilled) / OVERALL_INTERVAL_S, float(OVERALL_BURST))
        self._refilled = now

    def _of(self, client: str, now: float) -> _Failures:
        failures = self._clients.pop(client, None)
        if failures is None or now - failures.last > FORGET_AFTER_S:
            failures = _Failures(last=now)
        self._clients[client] = failures
        while len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return failures


def _network(client: str) -> str:
    """Who counts as one client: an IPv4 address, or the /64 that one subscriber of IPv6 has."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
