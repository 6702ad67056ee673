"""``copaw drill``: put the drill together, run it, judge it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from types import FrameType
from typing import Any

import click

from copaw.cli.client import Client
from copaw.cli.drill.changes import Pace, run_rounds
from copaw.cli.drill.record import Record, TaskRecord
from copaw.cli.drill.server import DrillServer, ServerDied, running_server
from copaw.cli.drill.tasks import AGENT, make_tasks, submit
from copaw.cli.drill.view import View, open_view
from copaw.cli.output import print_json
from copaw.cli.transport import Transport
from copaw.errors import CopawError

POLL_INTERVAL_S = 0.2
READY_WITHIN_S = 60.0
CLOSE_WITHIN_S = 15.0
PATIENCE_S = 120.0
SENDERS = 4


@click.command()
@click.option("--tasks", "task_count", type=click.IntRange(1, 200), default=10, show_default=True)
@click.option("--rounds", type=click.IntRange(0, 100), default=3, show_default=True, help="Rounds of four changes.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=3,
    show_default=True,
    help="What each of a task's three shell commands takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--keep", is_flag=True, help="Keep the temporary home and the server's log.")
def drill(task_count: int, rounds: int, seconds: float, as_json: bool, keep: bool) -> None:
    """Prove that changing settings does not end running work.

    Starts a server of its own in a temporary home, with the offline demo model. Hands it background tasks, changes
    its settings again and again while they run, and checks that each task comes to its right answer on the
    generation it began on and that every replaced generation closes.
    """
    with _orderly_end(), running_server(keep=keep) as server:
        record = Record([TaskRecord(task) for task in make_tasks(task_count, seconds)])
        with open_view(quiet=as_json) as view:
            view.say(f"server at {server.base_url}, home {server.home}")
            # Enough for the tasks one after another on a busy machine, and never endless.
            limit_s = PATIENCE_S + 3 * seconds * (task_count + rounds)
            Drill(server, record, view, rounds=rounds, limit_s=limit_s, pause_s=seconds / 2).run()
        problems = list(record.problems())
        _report(record, problems, rounds, as_json=as_json)
        if problems:
            click.echo("The end of the server's log:\n" + server.log_tail(), err=True)
        if keep:
            click.echo(f"kept: {server.home}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


@dataclass(slots=True)
class Drill:
    """One run: senders and changes work in threads, this thread watches.

    :param limit_s: after this the drill gives up waiting for tasks.
    :param pause_s: before each round. Tasks are sent over all the rounds, to begin on several generations.
    """

    server: DrillServer
    record: Record
    view: View
    rounds: int
    limit_s: float
    pause_s: float
    stopped: Event = field(default_factory=Event)
    first_sent: Event = field(default_factory=Event)
    lines: list[str] = field(default_factory=list)
    began: float = 0.0

    def run(self) -> None:
        """Run to the end. What goes wrong is in the record; only an interruption is raised."""
        if not self._guarded(self._await_ready):
            return
        self.began = time.monotonic()
        with ThreadPoolExecutor(SENDERS + 1, thread_name_prefix="drill") as pool:
            try:
                changes = pool.submit(self._guarded, self._change)
                sends: list[Future[Any]] = [pool.submit(self._send, task) for task in self.record.tasks]
                self._watch([changes, *sends])
            finally:
                self.stopped.set()
                self.first_sent.set()

    def _client(self) -> Client:
        return Client(Transport(self.server.base_url, agent_id=AGENT))

    def _await_ready(self) -> None:
        client = self._client()
        deadline = time.monotonic() + READY_WITHIN_S
        while not client.ready():
            if time.monotonic() > deadline:
                raise ServerDied(f"The drill's server was not ready within {READY_WITHIN_S:g} s.")
            time.sleep(POLL_INTERVAL_S)

    def _change(self) -> None:
        # The first round shall already meet work under way.
        self.first_sent.wait(self.limit_s)
        pace = Pace(self.pause_s, self.limit_s, self.stopped)
        for line in run_rounds(self._client(), self.rounds, pace):
            self.record.rounds_done += 1
            self.lines.append(line)

    def _send(self, task: TaskRecord) -> None:
        due_s = (task.task.number - 1) / len(self.record.tasks) * self.rounds * self.pause_s
        if self.stopped.wait(max(0.0, self.began + due_s - time.monotonic())):
            return
        task.sent_at = time.monotonic()
        try:
            task.task_id = submit(task.task, self.server.base_url, self.server.environ)
        except CopawError as error:
            task.faults.append(error.message)
        finally:
            self.first_sent.set()

    def _guarded(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except CopawError as error:
            self.record.faults.append(error.message)
            return False
        return True

    def _watch(self, work: list[Future[Any]]) -> None:
        look = partial(self._look, self._client())
        deadline = time.monotonic() + self.limit_s
        while time.monotonic() < deadline:
            # Asked first: what was accepted before this moment is then seen below.
            all_sent = all(future.done() for future in work)
            if not self._guarded(look) or (all_sent and self.record.finished()):
                break
            time.sleep(POLL_INTERVAL_S)
        self.stopped.set()
        self.first_sent.set()
        for future in work:
            future.result()
        closing = time.monotonic() + CLOSE_WITHIN_S
        while time.monotonic() < closing and self._guarded(look) and self.record.old_open():
            time.sleep(POLL_INTERVAL_S)

    def _look(self, client: Client) -> None:
        for task in self.record.tasks:
            if task.open:
                task.see_status(client.task(task.task_id), time.monotonic())
        document = client.lifecycle(AGENT)
        self.record.see_lifecycle(document)
        while self.lines:
            self.view.say(self.lines.pop(0))
        self.view.update(document, self.record)


def _report(record: Record, problems: list[str], rounds: int, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(record, problems, rounds))
        return
    for task in record.tasks:
        click.echo(task.line())
    for number, state in sorted(record.seen.items()):
        click.echo(f"generation {number}  {'serving' if number == record.current else state}")
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    click.echo(("PASSED: " if not problems else "FAILED: ") + record.verdict(rounds))


def _as_json(record: Record, problems: list[str], rounds: int) -> dict[str, object]:
    tasks = [
        {
            "number": task.task.number,
            "task_id": task.task_id,
            "ok": not task.problems(),
            "seconds": round(task.ended_at - task.sent_at, 3) if task.ended_at is not None else None,
            "generations": sorted(task.generations),
            "answer": task.answer,
            "problems": task.problems(),
        }
        for task in record.tasks
    ]
    generations = {str(number): state for number, state in sorted(record.seen.items())}
    return {
        "passed": not problems,
        "verdict": record.verdict(rounds),
        "tasks": tasks,
        "generations": generations,
        "rounds": record.rounds_done,
        "problems": problems,
    }


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM unwind, so that the server is ended too."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)
