"""All checks in order, and their supervisor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from copaw.cli.credentials import VARIABLE
from copaw.cli.doctor import (
    access,
    clock,
    database,
    environment,
    home,
    leftover,
    model,
    permissions,
    ports,
    server,
)
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.transport import ServerRefused
from copaw.errors import CopawError

Check = Callable[[Subject], Iterable[Finding]]

CHECKS: Sequence[Check] = (
    environment.check_python,
    environment.check_user,
    environment.check_libraries,
    environment.check_extras,
    environment.check_variables,
    home.check_config,
    home.check_agents,
    home.check_records,
    home.check_secrets,
    permissions.check_secrets,
    access.check_account,
    access.check_network,
    ports.check_port,
    server.check_server,
    server.check_agents,
    server.check_channels,
    model.check_models,
    database.check_disk,
    database.check_database,
    leftover.check_leftovers,
    clock.check_clock,
    clock.check_timezone,
)

logger = logging.getLogger(__name__)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """The findings of every check, as they come. A check that fails is a finding, and does not stop the others."""
    let_in = True
    for check in checks:
        name = check.__module__.rpartition(".")[2]
        try:
            yield from check(subject)
        except ServerRefused as refused:
            if refused.status != 401:
                yield Finding(name, Level.ERROR, f"This could not be looked at: {refused}", "copaw daemon logs")
            elif let_in:
                let_in = False  # once is enough: every further question is refused in the same way
                yield _not_let_in(subject, refused)
        except (CopawError, OSError) as error:
            yield Finding(name, Level.ERROR, f"This could not be looked at: {error}", "copaw daemon logs")
        except Exception as error:
            # The supervisor of all checks: what one did not foresee is told with the rest.
            logger.exception("a check failed")
            what = f"The check itself failed: {type(error).__name__}: {error}"
            yield Finding(name, Level.ERROR, what, "copaw update")


def _not_let_in(subject: Subject, refused: ServerRefused) -> Finding:
    mend = f"unset {VARIABLE}" if subject.environ.get(VARIABLE) else f"export {VARIABLE}=..."
    return Finding("access", Level.ERROR, f"The server at {subject.address} does not let this in: {refused}", mend)


def worst(findings: Iterable[Finding]) -> Level:
    """The highest level among them."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.ERROR, Level.WARN) if level in levels), Level.OK)
