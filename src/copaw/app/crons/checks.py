"""What a job must be beyond its shape, and the request that it makes."""

from __future__ import annotations

from typing import Any

from copaw.app.crons.cron_expression import CronSchedule, parse_cron
from copaw.app.crons.models import CronJobSpec
from copaw.app.runner.request import AgentRequest, parse_request
from copaw.errors import BadInput
from copaw.ports import Json

MAX_SECONDS = 366 * 24 * 3600


def check_job(spec: CronJobSpec) -> CronSchedule:
    """When the job is due, if it can be run as it is.

    :raises BadInput: names the field.
    """
    _check_id(spec.id)
    _check_text("name", spec.name)
    schedule = parse_cron(spec.schedule.cron, spec.schedule.timezone)
    _check_text("dispatch.channel", spec.dispatch.channel)
    _check_text("dispatch.target.user_id", spec.dispatch.target.user_id)
    _check_text("dispatch.target.session_id", spec.dispatch.target.session_id)
    limits = {
        "timeout_seconds": spec.runtime.timeout_seconds,
        "misfire_grace_seconds": spec.runtime.misfire_grace_seconds,
    }
    for name, value in limits.items():
        if value > MAX_SECONDS:
            field = f"runtime.{name}"
            raise BadInput(f"{field}: at most {MAX_SECONDS} seconds, which is a year.", field=field)
    if spec.task_type == "text":
        _check_text("text", spec.text or "", "a job of type 'text' needs the text that is to be sent")
    else:
        request_of(spec)
    return schedule


def _check_id(job_id: str) -> None:
    if not job_id.strip() or "/" in job_id:
        raise BadInput("id: must not be empty or have a slash. Send an empty one to get one.", field="id")


def _check_text(field: str, value: str, why: str = "must not be empty") -> None:
    if not value.strip():
        raise BadInput(f"{field}: {why}.", field=field)


def request_of(spec: CronJobSpec) -> AgentRequest:
    """The request of an agent job.

    :raises BadInput: it has none, or one that is not valid.
    """
    if spec.request is None:
        raise BadInput("request: a job of type 'agent' needs a request with an input.", field="request")
    target = spec.dispatch.target
    body: Json = {
        **spec.request.model_dump(),
        "input": messages_of(spec.request.input),
        "session_id": spec.request.session_id or target.session_id,
        "user_id": spec.request.user_id or target.user_id,
        "channel": spec.dispatch.channel,
    }
    try:
        return parse_request(body)
    except BadInput as error:
        raise BadInput(f"request: {error.message}", field=f"request.{error.field}") from error


def messages_of(value: Any) -> list[Any]:
    """A text, one message or several, as a list of messages.

    :raises BadInput: it is nothing of the kind, or says nothing.
    """
    match value:
        case str() if value.strip():
            return [_message([{"type": "text", "text": value}])]
        case dict():
            return [value]
        case list() if value:
            return [_message([{"type": "text", "text": item}]) if isinstance(item, str) else item for item in value]
    field = "request.input"
    raise BadInput(f"{field}: must be a text or a list of messages, and not empty.", field=field)


def _message(content: list[Json]) -> Json:
    return {"role": "user", "type": "message", "content": content}
