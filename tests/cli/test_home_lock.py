from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from copaw.app.background.server_lock import WorkingDirInUse, lock_working_dir
from copaw.cli.home_lock import SILENT, ServerRuns, check_nobody_runs, exclusive, server_runs
from copaw.paths import Paths

HOLD = """
import sys
from pathlib import Path
from copaw.app.background.server_lock import lock_working_dir
lock = lock_working_dir(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(working_dir=tmp_path, secret_dir=tmp_path / "secret")


def test_no_server_starts_meanwhile(paths: Paths) -> None:
    with exclusive(paths), pytest.raises(WorkingDirInUse):
        lock_working_dir(paths.working_dir)
    lock_working_dir(paths.working_dir).release()


def test_the_lock_is_given_back_after_a_failure(paths: Paths) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(paths):
        raise ZeroDivisionError
    assert not server_runs(paths)


def test_another_process_is_noticed(paths: Paths) -> None:
    command = [sys.executable, "-c", HOLD, str(paths.working_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert server_runs(paths)
        with pytest.raises(ServerRuns, match="copaw shutdown"), exclusive(paths):
            pytest.fail("held by two")
        with pytest.raises(ServerRuns, match=SILENT):
            check_nobody_runs(paths)
        other.communicate()
    assert not server_runs(paths)


def test_where_there_is_no_home_nothing_is_made(paths: Paths) -> None:
    nowhere = replace(paths, working_dir=paths.working_dir / "not-yet")
    with exclusive(nowhere):
        assert not server_runs(nowhere)
    assert not nowhere.working_dir.exists()
