"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from benchmarks import compare, processes
from benchmarks.bench import FULL, QUICK, Bench, told
from benchmarks.client import Failed, Target
from benchmarks.groups import GROUPS
from benchmarks.results import SUBJECT, Results


def main() -> None:
    options = _parser().parse_args()
    # However it is ended, the servers it started end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    results = Results()
    with ExitStack() as stack, processes.model_server() as model_url:
        bench = Bench(
            scale=QUICK if options.quick else FULL,
            results=results,
            model_url=model_url,
            with_floor=not options.no_floor,
            subject=_target(options.compare) if options.compare else None,
            stack=stack,
        )
        failed = _runner()(_run(bench, options.only or list(GROUPS)))
    print(results.table())
    print(f"\n{results.save(vars(options))}")
    if failed:
        sys.exit(f"Not measured, see above: {', '.join(failed)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a copaw server.")
    parser.add_argument("--quick", action="store_true", help="less of everything: under a minute")
    parser.add_argument("--only", action="append", choices=list(GROUPS), help="this group; may be repeated")
    parser.add_argument("--no-floor", action="store_true", help="do not measure the bare framework beside it")
    parser.add_argument(
        "--compare",
        metavar="BASE_URL",
        help="measure a running server with the same interface, over HTTP only, beside the floor. Its model is "
        "set to the scripted one for that time, and the chats stay: use a home that you can throw away",
    )
    return parser


def _target(base_url: str) -> Target:
    url = urlsplit(base_url)
    return Target(SUBJECT, url.hostname or "127.0.0.1", url.port or 80, processes.PROCESS_PATH)


async def _run(bench: Bench, names: list[str]) -> list[str]:
    """Run the groups and return those that failed; one that does is no reason to lose the others."""
    failed = []
    async with compare.scripted_model(bench):
        for name in names:
            group = GROUPS[name]
            if not group.http and bench.subject is not None:
                continue
            try:
                with told(name):
                    await group.run(bench)
            except (Failed, OSError, RuntimeError, TimeoutError, subprocess.SubprocessError):
                traceback.print_exc()
                failed.append(name)
    return failed


def _runner() -> Callable[[Coroutine[Any, Any, list[str]]], list[str]]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


if __name__ == "__main__":
    main()
