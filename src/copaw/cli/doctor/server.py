"""The running server: reachable, of this version, its agents and channels well."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from copaw import __version__
from copaw.cli.client import Client
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.output import count
from copaw.cli.transport import ServerRefused
from copaw.ports import Json

CHECK = "server"


def check_server(subject: Subject) -> Iterator[Finding]:
    """It answers if there is one, and is of the version that is installed."""
    client = subject.client
    if client is None and subject.held:
        what = f"A server holds {subject.paths.working_dir} but does not answer at {subject.address}."
        yield Finding(CHECK, Level.ERROR, what, "copaw daemon logs")
    elif client is None:
        yield Finding(CHECK, Level.OK, "No server is running.")
    elif not client.ready():
        yield Finding(CHECK, Level.WARN, "The server is starting or ending; its agents do not serve.", "copaw doctor")
    else:
        version = client.version()
        if version == __version__:
            yield Finding(CHECK, Level.OK, f"The server at {subject.address} is ready, version {version}.")
        else:
            what = f"The server is of version {version}, but {__version__} is installed."
            yield Finding(CHECK, Level.WARN, what, "copaw shutdown && copaw app")
        if not subject.held:
            what = f"The server at {subject.address} does not use {subject.paths.working_dir}."
            yield Finding(CHECK, Level.WARN, what, "env | grep ^COPAW_")


def check_agents(subject: Subject) -> Iterator[Finding]:
    """Every agent serves what is on disk, and nothing drains beyond its time."""
    if subject.client is None:
        return
    problems = {agent["id"]: agent["problem"] for agent in subject.client.agents()["agents"] if agent.get("problem")}
    for agent_id, problem in problems.items():
        yield Finding(CHECK, Level.ERROR, f"Agent {agent_id}: {problem}", f"copaw agents reload {agent_id} --wait")
    for document in subject.client.lifecycles():
        yield from _of_agent(document, problems, datetime.now(UTC))


def _of_agent(document: Json, problems: Collection[str], now: datetime) -> Iterator[Finding]:
    agent = document["agent_id"]
    last = document.get("last_reload") or {}
    if last.get("outcome") == "failed" and agent not in problems:
        what = f"The last reload of agent {agent} failed: {_message(last.get('error'))}"
        yield Finding(CHECK, Level.ERROR, what, f"copaw agents reload {agent} --wait")
    draining = [one for one in document.get("generations") or [] if one.get("state") == "draining"]
    late = [one for one in draining if (end := one.get("drain_deadline")) and datetime.fromisoformat(end) < now]
    if late:
        what = f"Agent {agent} has {count(len(late), 'replaced generation')} open beyond the time."
        yield Finding(CHECK, Level.WARN, what, f"copaw agents status {agent}")
    elif draining:
        what = f"Agent {agent} has {count(len(draining), 'replaced generation')} finishing work."
        yield Finding(CHECK, Level.OK, what)


def _message(error: object) -> str:
    match error:
        case {"message": str(text)}:
            return text
    return str(error)


def check_channels(subject: Subject) -> Iterator[Finding]:
    """Channels that are switched on are connected."""
    if subject.client is None:
        return
    for agent in subject.client.agents()["agents"]:
        if agent.get("enabled") and (status := _channel_status(subject.client, agent["id"])):
            yield from _of_channels(agent["id"], status)


def _channel_status(client: Client, agent_id: str) -> Json | None:
    try:
        answer: Json = client.http.call("GET", f"/api/agents/{agent_id}/channels/status")
    except ServerRefused as refused:
        # An agent that does not serve has no channels; its own finding says so.
        if refused.status not in (403, 404, 503):
            raise
        return None
    return answer


def _of_channels(agent_id: str, status: Json) -> Iterator[Finding]:
    for channel in status["channels"]:
        if channel["state"] in ("unusable", "retrying"):
            what = f"Channel {channel['channel']} of agent {agent_id} is {channel['state']}: {channel['error']}"
            yield Finding(CHECK, Level.WARN, what, f"copaw channels config --agent-id {agent_id}")
    for problem in status["problems"]:
        yield Finding(CHECK, Level.WARN, f"A custom channel cannot be used: {problem}", "copaw channels list")
