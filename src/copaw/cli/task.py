"""``copaw task``: one headless run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("-i", "--instruction", required=True, help="What to do.")
@click.option("-m", "--model", help="PROVIDER/MODEL for this run; else the agent's.")
@click.option("--max-iters", type=int, default=30, show_default=True, help="Model calls at most.")
@click.option("-t", "--timeout", type=int, default=900, show_default=True, help="Seconds at most.")
@click.option("--no-guard", is_flag=True, help="Let tools run without anybody's approval.")
@click.option("--skills-dir", type=click.Path(exists=True, file_okay=False), help="Not available in this version.")
@click.option(
    "--output-dir", type=click.Path(file_okay=False), help="Keep the answer and what it made or changed here."
)
@click.option("--agent-id", default="default", show_default=True, help="Whose settings and prompt files to use.")
def task(
    instruction: str,
    model: str | None,
    max_iters: int,
    timeout: int,
    no_guard: bool,
    skills_dir: str | None,
    output_dir: str | None,
    agent_id: str,
) -> None:
    """Run one instruction without a running server, on a copy of an agent, and print the answer.

    The copy has a temporary workspace; the agent itself, its sessions and its files are not touched.
    """
    from copaw.cli import task_run

    if skills_dir is not None:
        raise click.UsageError("--skills-dir is not available in this version; leave it out.")
    if max_iters < 1 or timeout < 1:
        raise click.UsageError("--max-iters and --timeout must be at least 1.")
    options = task_run.Options(
        instruction=instruction,
        agent_id=agent_id,
        model=model,
        max_iters=max_iters,
        timeout_s=timeout,
        no_guard=no_guard,
        output_dir=Path(output_dir) if output_dir is not None else None,
    )
    click.echo(task_run.run(options))
