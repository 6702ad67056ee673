"""``copaw doctor``: what is well, what is not, and a command for each that is not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from copaw.cli.context import Root
from copaw.cli.output import print_json

if TYPE_CHECKING:
    from copaw.cli.doctor.finding import Finding, Subject

_INDENT = " " * 20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--fix", is_flag=True, help="Mend what can be mended safely: permissions of secrets.")
@click.option("--timeout", type=int, default=10, show_default=True, help="Seconds for each request.")
@click.pass_obj
def doctor(root: Root, as_json: bool, fix: bool, timeout: int) -> None:
    """Look at everything copaw needs, and say how to mend what is not well. Exit status 1 if something is broken.

    Sends one short request to each model that an agent uses. Changes nothing without --fix.
    """
    if timeout < 1:
        raise click.UsageError("--timeout must be at least 1 second.")
    from copaw.cli.doctor.checks import examine, worst
    from copaw.cli.doctor.finding import Level

    findings = examine(_subject(root, timeout))
    if fix:
        findings = _fixed(findings)
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            _show(finding)
    level = worst(seen)
    if as_json:
        print_json({"level": level, "findings": [finding.document() for finding in seen]})
    else:
        _sum_up(seen)
    if level is Level.ERROR:
        raise click.exceptions.Exit(1)


def _subject(root: Root, timeout_s: float) -> Subject:
    from copaw.cli.doctor.finding import Subject
    from copaw.cli.home_lock import server_runs
    from copaw.cli.transport import NoServer, ServerRefused, ServerSilent
    from copaw.paths import Paths

    paths = Paths.from_environment()
    client = root.client(timeout_s=timeout_s)
    address = client.http.base_url
    held = server_runs(paths)
    try:
        client.http.call("GET", "/healthz")
    except (NoServer, ServerRefused, ServerSilent):
        return Subject(paths, os.environ, None, address, held, timeout_s)
    return Subject(paths, os.environ, client, address, held, timeout_s)


def _fixed(findings: Iterable[Finding]) -> Iterator[Finding]:
    from copaw.cli.doctor.finding import Level

    for finding in findings:
        if finding.fix is None:
            yield finding
            continue
        finding.fix()
        yield replace(finding, level=Level.OK, what=f"Mended: {finding.what}", mend="", fix=None)


def _show(finding: Finding) -> None:
    from copaw.cli.doctor.finding import Level

    colour = {Level.OK: "green", Level.WARN: "yellow", Level.ERROR: "red"}[finding.level]
    click.echo(f"{click.style(f'{finding.level:<6}', fg=colour)}{finding.check:<14}{_printable(finding.what)}")
    if finding.mend:
        click.echo(f"{_INDENT}{_printable(finding.mend)}")


def _printable(text: str) -> str:
    """One line, in which what would move the cursor is shown as its escape."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def _sum_up(findings: list[Finding]) -> None:
    from copaw.cli.doctor.finding import Level

    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    if errors or warnings:
        click.echo(f"\n{errors} broken, {warnings} to look at; under each is what to type.")
    else:
        click.echo("\nAll is well.")
