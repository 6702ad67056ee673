"""The drill's tasks: each runs shell commands and has an answer of its own that no other task could give."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from copaw.cli.drill.server import COMMAND
from copaw.errors import CopawError

AGENT = "default"
CALLS = 3
SUBMIT_TIMEOUT_S = 60.0
_TASK_ID = re.compile(r"^\[TASK_ID: (\S+)\]$", re.MULTILINE)


class NotAccepted(CopawError):
    """A task was not accepted."""

    code = "DRILL_NOT_ACCEPTED"


@dataclass(frozen=True, slots=True)
class DrillTask:
    """One task.

    :param text: obeyed by the offline demo model: calls, one after another, then the answer.
    :param expected: the whole answer, white space aside.
    :param least_s: it cannot honestly end sooner, because its commands sleep that long.
    """

    number: int
    text: str
    expected: str
    least_s: float


def make_tasks(count: int, seconds: float, calls: int = CALLS) -> list[DrillTask]:
    """``count`` tasks of ``calls`` shell commands of ``seconds`` each."""
    return [_make_task(number, seconds, calls) for number in range(1, count + 1)]


def _make_task(number: int, seconds: float, calls: int) -> DrillTask:
    # The word is put together by printf: whoever only repeats the command cannot know it.
    commands = [f"sleep {seconds:g}; printf drill-%s-%s {number} {call}" for call in range(1, calls + 1)]
    lines = [f"Drill task {number}."]
    timeout_s = 60 + int(seconds)
    lines += [_call(command, timeout_s) for command in commands]
    lines.append(f"say answer drill-{number}: " + " ".join(f"{{{call}}}" for call in range(1, calls + 1)))
    words = " ".join(f"drill-{number}-{call}" for call in range(1, calls + 1))
    return DrillTask(number, "\n".join(lines), f"answer drill-{number}: {words}", calls * seconds)


def _call(command: str, timeout_s: int) -> str:
    return f"call execute_shell_command {json.dumps({'command': command, 'timeout': timeout_s})}"


def wrong_answer(task: DrillTask, answer: str) -> str | None:
    """What is wrong with an answer, in a few words; ``None`` when it is right."""
    if " ".join(answer.split()) == task.expected:
        return None
    return f"expected {task.expected!r}, got {' '.join(answer.split())[:200]!r}"


def submit(task: DrillTask, base_url: str, environ: Mapping[str, str]) -> str:
    """Send the task with the real command and return its task id.

    :raises NotAccepted: the command failed or printed no id.
    """
    try:
        done = subprocess.run(
            [*COMMAND, *_arguments(task, base_url)],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SUBMIT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotAccepted(f"task {task.number} was not accepted within {SUBMIT_TIMEOUT_S:g} s") from error
    found = _TASK_ID.search(done.stdout)
    if done.returncode != 0 or found is None:
        said = " ".join((done.stderr or done.stdout).split())
        raise NotAccepted(f"task {task.number} was not accepted (status {done.returncode}): {said}")
    return found[1]


def _arguments(task: DrillTask, base_url: str) -> list[str]:
    who = ["--from-agent", AGENT, "--to-agent", AGENT]
    return ["agents", "chat", "--background", *who, "--text", task.text, "--base-url", base_url]
