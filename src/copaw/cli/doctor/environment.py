"""The program: Python, copaw itself, the libraries it asks for, its extras."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

import copaw
from copaw import __version__
from copaw.cli.doctor.finding import Finding, Level, Subject
from copaw.cli.installation import NAME, installation, typed

CHECK = "environment"
_VARIABLE = re.compile(r"\bCOPAW_[A-Z_]*[A-Z]\b")
OLDEST, FIRST_UNKNOWN = (3, 11), (3, 14)


def check_python(_subject: Subject) -> Iterator[Finding]:
    """The interpreter is one that copaw is tested with."""
    now = sys.version_info
    text = f"Python {now.major}.{now.minor}.{now.micro} in {sys.prefix}"
    if OLDEST <= now[:2] < FIRST_UNKNOWN:
        yield Finding(CHECK, Level.OK, f"{text}.")
    else:
        what = f"{text} is not between {'.'.join(map(str, OLDEST))} and 3.{FIRST_UNKNOWN[1] - 1}."
        yield Finding(CHECK, Level.ERROR, what, "uv tool install --python 3.12 copaw")


def check_user(_subject: Subject) -> Iterator[Finding]:
    """Agents act with the rights of whoever runs the server."""
    if os.geteuid() == 0 and not os.environ.get("COPAW_RUNNING_IN_CONTAINER"):
        yield Finding(CHECK, Level.WARN, "This is root, and agents act with its rights.", "useradd --create-home copaw")


def check_libraries(_subject: Subject) -> Iterator[Finding]:
    """Every library is there in a version that copaw takes."""
    found = installation()
    wrong = [problem for problem in map(_problem, _requirements("")) if problem]
    if wrong:
        what = f"{len(wrong)} of the libraries do not fit: {'; '.join(wrong)}."
        yield Finding(CHECK, Level.ERROR, what, typed(found.update_command()))
        return
    yield Finding(CHECK, Level.OK, f"copaw {__version__}, {found.how}, with all its libraries.")


def check_extras(subject: Subject) -> Iterator[Finding]:
    """Which extras are there; one that the configuration needs must be."""
    for extra in sorted(_extras()):
        missing = [problem for problem in map(_problem, _requirements(extra)) if problem]
        if not missing:
            yield Finding(CHECK, Level.OK, f"The extra '{extra}' is installed.")
        elif extra == "postgres" and subject.environ.get("COPAW_DATABASE_URL", "").startswith("postgres"):
            what = f"COPAW_DATABASE_URL needs the extra 'postgres': {'; '.join(missing)}."
            yield Finding(CHECK, Level.ERROR, what, f"{sys.executable} -m pip install 'copaw[postgres]'")


def check_variables(subject: Subject) -> Iterator[Finding]:
    """No variable is set in vain: misspelt, or of another version."""
    given = {name for name in subject.environ if name.startswith("COPAW_")}
    if without_effect := sorted(given - known_variables()) if given else []:
        what = f"Set, but unknown to this version: {', '.join(without_effect)}."
        yield Finding(CHECK, Level.WARN, what, f"unset {' '.join(without_effect)}")


def known_variables() -> set[str]:
    """Every ``COPAW_`` variable that is named in the sources: a list of them would miss the next one."""
    sources = Path(copaw.__file__).parent.rglob("*.py")
    return {name for source in sources for name in _VARIABLE.findall(source.read_text("utf-8"))}


def _extras() -> list[str]:
    try:
        return metadata(NAME).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _requirements(extra: str) -> list[Requirement]:
    """What copaw asks for: by itself, or for an extra alone."""
    try:
        all_of_them = [Requirement(line) for line in requires(NAME) or []]
    except PackageNotFoundError:
        return []
    wanted = [one for one in all_of_them if one.marker is None or one.marker.evaluate({"extra": extra})]
    if not extra:
        return wanted
    return [one for one in wanted if one.marker is not None and not one.marker.evaluate({"extra": ""})]


def _problem(wanted: Requirement) -> str:
    """Why what is installed does not fit; empty if it does."""
    try:
        have = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(have, prereleases=True):
        return ""
    return f"{wanted.name} is {have}, not {wanted.specifier}"
