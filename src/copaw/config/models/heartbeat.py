"""``heartbeat``: waking an agent from time to time."""

from __future__ import annotations

from copaw.config.models.base import ConfigModel


class ActiveHoursConfig(ConfigModel):
    """The hours of the day (``HH:MM``, the user's time zone) in which an agent may wake up."""

    start: str = "08:00"
    end: str = "22:00"


class HeartbeatConfig(ConfigModel):
    """How often (``30m``, ``6h`` or a cron expression) and where the answer goes (``main``, ``last``)."""

    enabled: bool = False
    every: str = "6h"
    target: str = "main"
    activeHours: ActiveHoursConfig | None = None
