"""``copaw cron``: what an agent does by the clock. Results are JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from copaw.cli.context import Root
from copaw.cli.output import note_without_effect, print_json
from copaw.errors import BadInput
from copaw.ports import Json

if TYPE_CHECKING:
    from copaw.cli.cron_client import CronClient

_F = TypeVar("_F", bound=Callable[..., Any])


def _server_options(function: _F) -> _F:
    agent = click.option("--agent-id", default="default", show_default=True, help="Whose jobs.")
    server = click.option("--base-url", help="Address of the server, such as http://127.0.0.1:8088.")
    return server(agent(function))


def _client(root: Root, base_url: str | None, agent_id: str) -> CronClient:
    from copaw.cli.cron_client import CronClient

    return CronClient(root.client(base_url, agent_id=agent_id))


@click.group()
def cron() -> None:
    """Make, list, pause, run and delete scheduled jobs."""


@cron.command("list")
@_server_options
@click.pass_obj
def list_jobs(root: Root, base_url: str | None, agent_id: str) -> None:
    """Print the jobs."""
    print_json(_client(root, base_url, agent_id).jobs())


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def get(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Print a job and its state."""
    print_json(_client(root, base_url, agent_id).job(job_id))


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def state(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Print when a job is due next and how its last run went."""
    print_json(_client(root, base_url, agent_id).state(job_id))


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def history(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Print a job's runs and missed due times, newest first."""
    print_json(_client(root, base_url, agent_id).history(job_id))


@cron.command()
@click.option("-f", "--file", "file_", type=click.Path(exists=True, dir_okay=False), help="The job as a JSON file.")
@click.option("--type", "task_type", type=click.Choice(["text", "agent"]), help="Send a text, or ask the agent.")
@click.option("--name", help="For people.")
@click.option("--cron", help="Minute, hour, day of month, month, day of week, such as '0 9 * * mon-fri'.")
@click.option("--channel", help="Where the output goes, such as console.")
@click.option("--target-user", help="Who gets it.")
@click.option("--target-session", help="In which session.")
@click.option("--text", help="What is sent, or asked.")
@click.option("--timezone", help="IANA name; default: the user's time zone.")
@click.option("--enabled/--no-enabled", default=True, show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["stream", "final"]),
    default="final",
    show_default=True,
    help="Send each message of the answer, or only the last.",
)
@_server_options
@click.pass_obj
def create(root: Root, /, file_: str | None, base_url: str | None, agent_id: str, **given: Any) -> None:
    """Make a job, from a file or from options."""
    client = _client(root, base_url, agent_id)
    if file_:
        note_without_effect("--file", "file_", "base_url", "agent_id")
        print_json(client.create(_read_spec(Path(file_))))
        return
    needed = ("task_type", "name", "cron", "channel", "target_user", "target_session", "text")
    missing = ["--type" if name == "task_type" else _option(name) for name in needed if not (given[name] or "").strip()]
    if missing:
        raise click.UsageError(f"Missing {', '.join(missing)} (or give the whole job with --file).")
    print_json(client.create(_spec(given, given["timezone"] or client.timezone())))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _spec(given: Json, timezone: str) -> Json:
    target = {"user_id": given["target_user"], "session_id": given["target_session"]}
    spec: Json = {
        "id": "",
        "name": given["name"],
        "enabled": given["enabled"],
        "schedule": {"type": "cron", "cron": given["cron"], "timezone": timezone},
        "task_type": given["task_type"],
        "dispatch": {"type": "channel", "channel": given["channel"], "target": target, "mode": given["mode"]},
    }
    if given["task_type"] == "text":
        return {**spec, "text": given["text"]}
    message = {"role": "user", "type": "message", "content": [{"type": "text", "text": given["text"]}]}
    return {**spec, "request": {"input": [message], **target}}


def _read_spec(file: Path) -> Json:
    try:
        spec = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--file {file} is not a JSON file: {error}.", field="file") from error
    if not isinstance(spec, dict):
        raise BadInput(f"--file {file} must hold one JSON object.", field="file")
    return {"id": "", **spec}


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def delete(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Delete a job; what runs of it ends by itself."""
    print_json(_client(root, base_url, agent_id).delete(job_id))


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def pause(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Let a job rest, over restarts too."""
    print_json(_client(root, base_url, agent_id).act(job_id, "pause"))


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def resume(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Let a job go on."""
    print_json(_client(root, base_url, agent_id).act(job_id, "resume"))


@cron.command()
@click.argument("job_id")
@_server_options
@click.pass_obj
def run(root: Root, job_id: str, base_url: str | None, agent_id: str) -> None:
    """Start a job now, due or not."""
    print_json(_client(root, base_url, agent_id).act(job_id, "run"))
