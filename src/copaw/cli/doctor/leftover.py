"""Files that nobody reads any more."""

from __future__ import annotations

from collections.abc import Iterator

from copaw.cli import leftovers
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.output import count

CHECK = "leftovers"


def check_leftovers(subject: Subject) -> Iterator[Finding]:
    """What crashes and repairs left behind."""
    found = leftovers.find(subject.paths)
    if found:
        what = f"Left from crashes or repairs: {count(len(found), 'file')}, such as {found[0].path} ({found[0].note})."
        yield Finding(CHECK, Level.WARN, what, "copaw clean --leftovers")
    else:
        yield Finding(CHECK, Level.OK, "Nothing is left from crashes or repairs.")
