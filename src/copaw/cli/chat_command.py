"""What ``copaw agents chat`` does once its options are checked. Scripts parse its bracketed lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import click

from copaw.cli import runs
from copaw.cli.client import Client
from copaw.cli.output import print_json
from copaw.cli.task_client import TaskClient
from copaw.errors import NotFound
from copaw.ports import Json

CANCEL_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Question:
    """What one agent asks another.

    :param request: the body to send.
    :param timeout_s: for the call.
    """

    session_id: str
    request: Json
    timeout_s: float

    @classmethod
    def of(cls, from_agent: str, to_agent: str, text: str, session_id: str | None, *, timeout_s: float) -> Self:
        """:param session_id: ``None`` for a new session."""
        session = session_id or runs.new_session_id(from_agent, to_agent)
        return cls(session, runs.request_of(session, runs.signed(from_agent, text)), timeout_s)


def ask(client: Client, question: Question, *, live: bool, as_json: bool) -> None:
    """Run it and print the answer, piece by piece when ``live``.

    :raises RunFailed: the run failed or was refused.
    """
    events = client.process(question.request, timeout_s=question.timeout_s)
    if as_json:
        response = runs.last_response(events)
        print_json({"session_id": question.session_id, **response})
        runs.check(response)
    elif live:
        _stream(events, question.session_id)
    else:
        response = runs.last_response(events)
        _print_session(question.session_id)
        click.echo(runs.answer_text(runs.check(response)))


def submit(client: Client, question: Question, *, wait: bool, as_json: bool) -> None:
    """Hand it over as a background task and print how to find it again, or with ``wait`` its result."""
    answer = client.submit(question.request, timeout_s=question.timeout_s)
    task_id = answer.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise runs.RunFailed(f"The server accepted no task: {runs.error_text(answer)}")
    if wait:
        TaskClient(client.http).wait(task_id, question.timeout_s)
        show_task(client, task_id, as_json=as_json)
        return
    if as_json:
        print_json({"session_id": question.session_id, **answer})
        return
    click.echo(f"[TASK_ID: {task_id}]\n[SESSION: {question.session_id}]\n")
    click.echo(f"Ask for its result with: copaw agents chat --background --task-id {task_id}")


def task_command(client: Client, task_id: str, *, cancel: bool, wait_s: float | None, as_json: bool) -> None:
    """Cancel a task or wait for it, if that is wanted, and print its status. See :func:`show_task`."""
    tasks = TaskClient(client.http)
    if cancel:
        tasks.cancel(task_id)
    if cancel or wait_s is not None:
        # A cancelled run needs a moment to unwind; its true end is worth it.
        tasks.wait(task_id, CANCEL_WAIT_S if wait_s is None else wait_s)
    show_task(client, task_id, as_json=as_json, expect_end=cancel)


def show_task(client: Client, task_id: str, *, as_json: bool, expect_end: bool = False) -> None:
    """Print a task's status and, when it has ended, its result. Exit status 1 when it failed.

    :param expect_end: it was cancelled, so that an end without success is what was asked for.
    :raises NotFound: there is no such task.
    """
    answer = client.task(task_id)
    if "status" not in answer:
        raise NotFound(runs.error_text(answer))
    failed, text = outcome_of(answer)
    if as_json:
        print_json({"task_id": task_id, **answer})
    else:
        click.echo(f"[TASK_ID: {task_id}]\n[STATUS: {answer['status']}]")
        if text:
            click.echo(f"\n{text}")
    if failed and not expect_end:
        raise click.exceptions.Exit(1)


def outcome_of(answer: Json) -> tuple[bool, str]:
    """``(failed, text)`` of a task's status: its answer, its error, or nothing while it is under way."""
    match answer:
        case {"status": "finished", "result": {"status": "completed"} as response}:
            return False, runs.answer_text(response)
        case {"status": "finished", "result": dict(response)}:
            return True, runs.error_text(response)
        case {"status": "error" | "finished", "result": result}:
            return True, str(result or "The task broke without a reason.")
    return False, ""


def _stream(events: Iterable[Json], session_id: str) -> None:
    _print_session(session_id)
    deltas = runs.Deltas()
    open_line = False
    try:
        for event in events:
            text = deltas.feed(event)
            if text:
                click.echo(text, nl=False)
                sys.stdout.flush()
                open_line = True
            response = runs.final_response(event)
            if response is not None:
                runs.check(response)
                return
    finally:
        if open_line:
            click.echo()
    raise runs.cut_short()


def _print_session(session_id: str) -> None:
    click.echo(f"[SESSION: {session_id}]\n")
