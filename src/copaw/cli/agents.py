"""``copaw agents``: list, chat, status and reload."""

from __future__ import annotations

import json
from typing import IO, Any

import click

from copaw.cli.context import Root
from copaw.cli.output import print_json

_base_url = click.option("--base-url", help="Address of the server, such as http://127.0.0.1:8088.")
RELOAD_TIMEOUT_S = 300.0


@click.group()
def agents() -> None:
    """List agents, talk to them, see and renew what they run on."""


@agents.command("list")
@_base_url
@click.pass_obj
def list_agents(root: Root, base_url: str | None) -> None:
    """Print every agent as JSON."""
    print_json(root.client(base_url).agents())


@agents.command()
@click.option("--from-agent", "--agent-id", "from_agent", help="Who asks.")
@click.option("--to-agent", help="Who is asked.")
@click.option("--text", help="What to say.")
@click.option("--session-id", help="Go on with this session.")
@click.option("--new-session", is_flag=True, help="Begin a new session even if one is given.")
@click.option("--mode", type=click.Choice(["stream", "final"]), default="final", show_default=True)
@click.option("--background", is_flag=True, help="Hand it over as a task and return; with --task-id, ask for it.")
@click.option("--task-id", help="Print the status and the result of this background task.")
@click.option("--wait", is_flag=True, help="With --background: wait for the task's end and print its result.")
@click.option("--cancel", is_flag=True, help="With --task-id: ask the task to end.")
@click.option("--timeout", type=int, default=300, show_default=True, help="Seconds for the call to the server.")
@click.option("--json-output", is_flag=True, help="Print the final response as JSON.")
@_base_url
@click.pass_obj
def chat(
    root: Root,
    from_agent: str | None,
    to_agent: str | None,
    text: str | None,
    session_id: str | None,
    new_session: bool,
    mode: str,
    background: bool,
    task_id: str | None,
    wait: bool,
    cancel: bool,
    timeout: int,
    json_output: bool,
    base_url: str | None,
) -> None:
    """Let one agent ask another, now or in the background.

    \b
    copaw agents chat --from-agent default --to-agent helper --text "What is new?"
    """
    from copaw.cli import chat_command

    if timeout <= 0:
        raise click.UsageError("--timeout must be at least 1 second.")
    client = root.client(base_url, agent_id=to_agent, timeout_s=timeout)
    if cancel and not task_id:
        raise click.UsageError("--cancel needs --task-id ID.")
    if wait and not (background or task_id):
        raise click.UsageError("--wait needs --background; without it the answer is always waited for.")
    if task_id:
        wait_s = timeout if wait else None
        chat_command.task_command(client, task_id, cancel=cancel, wait_s=wait_s, as_json=json_output)
        return
    given = {"--from-agent": from_agent, "--to-agent": to_agent, "--text": text}
    missing = [option for option, value in given.items() if not value]
    if missing or not (from_agent and to_agent and text):
        raise click.UsageError(f"Missing {', '.join(missing)}. (To ask for a background task: --task-id ID.)")
    session = session_id if session_id and not new_session else None
    question = chat_command.Question.of(from_agent, to_agent, text, session, timeout_s=timeout)
    if background:
        chat_command.submit(client, question, wait=wait, as_json=json_output)
    else:
        chat_command.ask(client, question, live=mode == "stream", as_json=json_output)


@agents.command()
@click.argument("agent", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@_base_url
@click.pass_obj
def status(root: Root, agent: str | None, as_json: bool, watch: bool, base_url: str | None) -> None:
    """Show generations, what keeps each of them open, and the last reload."""
    from copaw.cli import status_view

    client = root.client(base_url)

    def read() -> list[dict[str, object]]:
        return [client.lifecycle(agent)] if agent else client.lifecycles()

    if watch:
        status_view.watch(read, as_json=as_json)
    elif as_json:
        documents = read()
        print_json(documents[0] if agent else documents)
    else:
        status_view.show(read())


@agents.command()
@click.argument("agent")
@click.option("--wait", is_flag=True, help="Wait until the new generation serves, or has failed.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "-f", "--file", "proposal", type=click.File(encoding="utf-8"), help="Fields of agent.json to try with --dry-run."
)
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
@_base_url
@click.pass_obj
def reload(
    root: Root, agent: str, wait: bool, dry_run: bool, proposal: IO[str] | None, as_json: bool, base_url: str | None
) -> None:
    """Let an agent take up its configuration in a new generation. Running work is not ended."""
    from copaw.cli.status_view import preview_lines, reload_line

    if proposal is not None and not dry_run:
        raise click.UsageError("--file goes with --dry-run; to apply a configuration, edit agent.json.")
    client = root.client(base_url)
    if dry_run:
        outcome = client.preview_reload(agent, _json_object(proposal))
    else:
        outcome = client.reload(agent, wait=wait, timeout_s=RELOAD_TIMEOUT_S)
    if as_json:
        print_json(outcome)
    else:
        click.echo(preview_lines(outcome) if dry_run else reload_line(outcome))
    if outcome.get("outcome") == "failed":
        raise click.exceptions.Exit(1)


def _json_object(file: IO[str] | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        value = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} is not valid JSON: {error}", param_hint="--file") from error
    if not isinstance(value, dict):
        raise click.BadParameter(f"{file.name} does not hold a JSON object.", param_hint="--file")
    return value
