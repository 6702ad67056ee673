"""The operations on scheduled jobs as typed calls."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from copaw.cli.client import Client
from copaw.cli.transport import ServerRefused
from copaw.config.timezone import system_timezone
from copaw.ports import Json

JOBS = "/api/cron/jobs"


class CronClient:
    """One method an operation; each raises what :meth:`copaw.cli.transport.Transport.call` raises."""

    def __init__(self, client: Client) -> None:
        self._http = client.http

    def jobs(self) -> Any:
        """Every job."""
        return self._http.call("GET", JOBS)

    def job(self, job_id: str) -> Any:
        """One job with its state."""
        return self._http.call("GET", _path(job_id))

    def create(self, spec: Json) -> Any:
        """Add a job; answers it with its id."""
        return self._http.call("POST", JOBS, body=spec)

    def delete(self, job_id: str) -> Any:
        return self._http.call("DELETE", _path(job_id))

    def act(self, job_id: str, action: str) -> Any:
        """:param action: ``pause``, ``resume`` or ``run``."""
        return self._http.call("POST", f"{_path(job_id)}/{action}")

    def state(self, job_id: str) -> Any:
        """When it is due next, and how its last run went."""
        return self._http.call("GET", f"{_path(job_id)}/state")

    def history(self, job_id: str) -> Any:
        """Its runs, newest first."""
        return self._http.call("GET", f"{_path(job_id)}/history")

    def timezone(self) -> str:
        """The user's time zone as the server knows it, else that of this machine."""
        try:
            answer = self._http.call("GET", "/api/config/user-timezone")
        except ServerRefused as refused:
            if refused.status not in (404, 405, 501):
                raise
            return system_timezone()
        found = answer.get("timezone") if isinstance(answer, dict) else None
        return found if isinstance(found, str) and found else system_timezone()


def _path(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"
