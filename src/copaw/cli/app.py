"""``copaw app``: run the server."""

from __future__ import annotations

import os

import click

from copaw.paths import Paths

HIDDEN_PATHS = ("/console/push-messages",)
_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8088, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--reload", is_flag=True, help="Restart when the source changes (for development).")
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True)
@click.option(
    "--hide-access-paths",
    multiple=True,
    default=HIDDEN_PATHS,
    show_default=True,
    help="Leave requests with this in their path out of the access log; may be repeated.",
)
@click.option("--workers", type=int, help="Only 1: one process owns a working directory.")
def app(
    host: str, port: int, reload: bool, log_level: str, hide_access_paths: tuple[str, ...], workers: int | None
) -> None:
    """Run the server until Ctrl-C or SIGTERM. Running work is drained first; a second signal ends at once."""
    if workers is not None and workers != 1:
        raise click.UsageError(
            "--workers must be 1: one process owns a working directory. "
            "For more servers give each its own COPAW_WORKING_DIR."
        )
    from copaw.cli.address import RUNTIME_NAME
    from copaw.cli.listen import bind
    from copaw.security.settings import AuthSettings

    AuthSettings.from_environment(os.environ)  # a mistake in it is told before anything is done
    paths = Paths.from_environment()
    listener = bind(host, port)
    _ensure_home(paths)
    _check_free(paths)
    os.environ["COPAW_LOG_LEVEL"] = log_level

    from copaw.cli.serve import serve

    runtime_file = paths.working_dir / RUNTIME_NAME
    serve(listener, runtime_file=runtime_file, log_level=log_level, hidden_paths=hide_access_paths, reload=reload)


def _check_free(paths: Paths) -> None:
    """Say it in one sentence when another server has the working directory; the server itself takes the lock.

    :raises WorkingDirInUse: it has.
    """
    from copaw.app.background.server_lock import lock_working_dir

    lock_working_dir(paths.working_dir).release()


def _ensure_home(paths: Paths) -> None:
    from copaw.cli.init import user_language
    from copaw.config.home import home_exists, make_home

    if not home_exists(paths):
        make_home(paths, language=user_language(os.environ))
        click.echo(f"Made a new home with defaults in {paths.working_dir}.")
