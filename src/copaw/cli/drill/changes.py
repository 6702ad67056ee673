"""The four changes that reload an agent, each really changing something and read back afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

from copaw.cli.client import Client
from copaw.cli.drill.tasks import AGENT
from copaw.errors import CopawError
from copaw.ports import Json

_ALL_FILES = ["AGENTS.md", "SOUL.md", "PROFILE.md"]
POLL_INTERVAL_S = 0.1


class ChangeLost(CopawError):
    """A change was accepted but cannot be read back, or no new generation came of it."""

    code = "DRILL_CHANGE_LOST"


def running_config(client: Client, round_number: int) -> None:
    """``max_iters`` of the running configuration."""
    document = client.setting("agent/running-config")
    document["max_iters"] = wanted = 100 + round_number
    client.save_setting("agent/running-config", document)
    _verify("max_iters", wanted, client.setting("agent/running-config").get("max_iters"))


def prompt_files(client: Client, round_number: int) -> None:
    """Which files make up the system prompt."""
    before = client.setting("agent/system-prompt-files")
    wanted = _ALL_FILES[:2] if before == _ALL_FILES else _ALL_FILES
    client.save_setting("agent/system-prompt-files", wanted)
    _verify("system prompt files", wanted, client.setting("agent/system-prompt-files"))


def profile(client: Client, round_number: int) -> None:
    """The agent's description."""
    document = client.agent(AGENT)
    document["description"] = wanted = f"Drill, round {round_number}."
    client.save_agent(AGENT, document)
    _verify("description", wanted, client.agent(AGENT).get("description"))


def channels(client: Client, round_number: int) -> None:
    """The console channel's prefix."""
    document = client.setting("config/channels")
    wanted = f"[drill {round_number}] "
    document["console"] = {**(document.get("console") or {}), "bot_prefix": wanted}
    client.save_setting("config/channels", document)
    _verify("console.bot_prefix", wanted, (client.setting("config/channels").get("console") or {}).get("bot_prefix"))


CHANGES: tuple[Callable[[Client, int], None], ...] = (running_config, prompt_files, profile, channels)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the rounds follow each other.

    :param pause_s: before each round.
    :param timeout_s: for a round's new generation.
    :param stopped: set it to end early.
    """

    pause_s: float
    timeout_s: float
    stopped: Event


def run_rounds(client: Client, rounds: int, pace: Pace) -> Iterator[str]:
    """Make every change, ``rounds`` times over; yield a line for each round whose new generation serves.

    :raises ChangeLost: a change cannot be read back, or no new generation serves in time.
    """
    for number in range(1, rounds + 1):
        if pace.stopped.wait(pace.pause_s):
            return
        before = generation_of(client.lifecycle(AGENT))
        for change in CHANGES:
            change(client, number)
        after = _wait_for_newer(client, before, pace)
        if pace.stopped.is_set():
            return
        yield f"round {number}: {len(CHANGES)} changes, generation {before} -> {after}"


def generation_of(lifecycle: Json) -> int:
    """The serving generation's number; 0 while there is none."""
    number = lifecycle.get("generation")
    return number if isinstance(number, int) else 0


def _wait_for_newer(client: Client, before: int, pace: Pace) -> int:
    deadline = time.monotonic() + pace.timeout_s
    while time.monotonic() < deadline:
        lifecycle = client.lifecycle(AGENT)
        if generation_of(lifecycle) > before and not lifecycle.get("reload_pending"):
            return generation_of(lifecycle)
        if pace.stopped.wait(POLL_INTERVAL_S):
            return before
    raise ChangeLost(f"no generation after {before} served within {pace.timeout_s:g} s; last answer: {_last(client)}")


def _last(client: Client) -> str:
    return str(client.lifecycle(AGENT).get("last_reload"))


def _verify(what: str, wanted: object, found: object) -> None:
    if wanted != found:
        raise ChangeLost(f"{what} was set to {wanted!r} but reads {found!r}")
