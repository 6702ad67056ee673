"""Ending a server at random moments, over and over, and asking its ledger for the truth each time.

Every round starts a server in the same home, hands it tasks, and ends it with SIGKILL or SIGTERM somewhere between
the first submission and the last end. After the next start every task that was ever accepted must be known, none of
an earlier life may still be under way, and every session file must parse.

``python -m benchmarks.crashes --rounds 50``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from copaw.testing.server import RunningServer, message, running_server

TASKS = 20
LONGEST_LIFE_S = 2.5
UNDER_WAY = ("queued", "running", "cancelling")


async def submit(server: RunningServer, number: int, accepted: set[str]) -> None:
    """Hand over one task; it counts from the moment its id is answered."""
    text = f'call execute_shell_command {{"command": "sleep 0.{number % 10}; echo {number}"}}\nsay done {{1}}'
    answer = await server.http.post("/api/agent/process/task", json=message(text, session_id=f"crash-{number}"))
    if answer.status_code == 200:
        accepted.add(answer.json()["task_id"])


async def rows(server: RunningServer) -> dict[str, Any]:
    """Every task the server knows, by id."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        answer = await server.call("GET", f"/tasks?limit=200{f'&cursor={cursor}' if cursor else ''}")
        found |= {task["id"]: task for task in answer["tasks"]}
        cursor = answer.get("next_cursor") or ""
        if not cursor:
            return found


def untrue(known: dict[str, Any], accepted: set[str]) -> list[str]:
    """What the ledger tells that cannot be so, right after a start."""
    lost = [f"{task_id} is not known" for task_id in accepted - known.keys()]
    hanging = [f"{task_id} is {known[task_id]['state']}" for task_id in accepted & known.keys()
               if known[task_id]["state"] in UNDER_WAY]  # fmt: skip
    return lost + hanging


async def failed(server: RunningServer, known: dict[str, Any], accepted: set[str]) -> list[str]:
    """Tasks that failed: none of these can, but by a fault of the server."""
    ids = [task_id for task_id in accepted & known.keys() if known[task_id]["state"] == "failed"]
    ends = [await server.call("GET", f"/tasks/{task_id}") for task_id in ids]
    return [f"{end['id']} failed: {json.dumps(end['error'])}" for end in ends]


def broken_sessions(folder: Path) -> list[str]:
    """Session files that do not parse."""
    broken = []
    for path in folder.glob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            broken.append(path.name)
    return broken


async def life(home: Path, accepted: set[str], number: int, chance: random.Random) -> tuple[str, list[str]]:
    """One start, one load, one end. Returns how it ended, and what was untrue at its start."""
    environ = {"COPAW_SHUTDOWN_GRACE_SECONDS": "1", "COPAW_LOG_LEVEL": "error"}
    async with running_server(home, environ=environ) as server:
        faults = untrue(await rows(server), accepted) + await asyncio.to_thread(
            broken_sessions, server.workspace() / "sessions"
        )
        loading = [asyncio.create_task(submit(server, number * TASKS + one, accepted)) for one in range(TASKS)]
        await asyncio.sleep(chance.random() * LONGEST_LIFE_S)
        end = chance.choice((signal.SIGKILL, signal.SIGTERM))
        server.process.send_signal(end)
        await server.process.wait()
        await asyncio.gather(*loading, return_exceptions=True)
        return end.name, faults


async def crashes(rounds: int, seed: int) -> int:
    """Run the rounds and one more start to see the last one's rows. Returns the number of faults."""
    chance, accepted, ends = random.Random(seed), set[str](), Counter[str]()
    faults: list[str] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="copaw-crashes-") as home:
        for number in range(rounds):
            end, found = await life(Path(home), accepted, number, chance)
            ends[end] += 1
            faults += [f"round {number}: {fault}" for fault in found]
        async with running_server(Path(home)) as server:
            known = await rows(server)
            faults += untrue(known, accepted) + await failed(server, known, accepted)
        states = Counter(known[task_id]["state"] for task_id in accepted & known.keys())
    for fault in faults:
        print(fault)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    kills = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
    print(f"{rounds} rounds ({kills}) in {time.monotonic() - begun:.0f} s")
    print(f"{len(accepted)} tasks accepted, {told}; {len(faults)} faults")
    return len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return 1 if asyncio.run(crashes(options.rounds, options.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
