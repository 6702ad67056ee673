from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.app.services import open_services
from copaw.app.workspace_lock import LOCK_NAME, WorkspaceInUse, WorkspaceLocks
from copaw.testing.home import fresh_home


async def test_a_directory_is_held_by_one_server_until_its_last_generation(tmp_path: Path) -> None:
    ours, theirs = WorkspaceLocks(), WorkspaceLocks()
    async with ours.held(tmp_path):
        async with ours.held(tmp_path):
            with pytest.raises(WorkspaceInUse, match="Another copaw server is using"):
                async with theirs.held(tmp_path):
                    pass
        with pytest.raises(WorkspaceInUse):
            async with theirs.held(tmp_path):
                pass
    async with theirs.held(tmp_path):
        pass
    await ours.aclose()
    await theirs.aclose()


async def test_a_directory_that_cannot_be_locked_is_told_of_and_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    locks = WorkspaceLocks()
    async with locks.held(tmp_path):
        assert "cannot be locked" in caplog.text
    await locks.aclose()


async def test_two_homes_that_share_a_workspace_never_both_schedule_it(tmp_path: Path) -> None:
    first, second = fresh_home(tmp_path / "1"), fresh_home(tmp_path / "2")
    document = json.loads(second.config_file.read_text())
    document["agents"]["profiles"]["default"]["workspace_dir"] = str(first.default_workspace("default"))
    second.config_file.write_text(json.dumps(document))
    async with open_services(first) as ours, open_services(second) as theirs:
        await ours.ready.wait()
        await theirs.ready.wait()
        # Which of the two was first is chance.
        serving = [one for one in (ours, theirs) if one.manager.slot("default").current is not None]
        assert len(serving) == 1
        (other,) = {ours, theirs} - {*serving}
        outcome = await other.manager.reload_agent("default")
        assert "Another copaw server is using" in str(outcome.error)
