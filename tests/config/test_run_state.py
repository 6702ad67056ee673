from __future__ import annotations

import json
from pathlib import Path

import pytest

from copaw.config.models import LastApiConfig, LastDispatchConfig
from copaw.config.run_state import RunStateFile, read_last_api, runtime_file
from copaw.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path / "secret")


async def test_what_is_recorded_is_read_again(paths: Paths) -> None:
    file = RunStateFile(runtime_file(paths))
    await file.load()
    await file.record(last_api=LastApiConfig(host="h", port=1))
    await file.record(last_dispatch={"a": LastDispatchConfig(channel="c")})
    again = RunStateFile(runtime_file(paths))
    await again.load()
    assert again.state == file.state
    assert read_last_api(paths) == LastApiConfig(host="h", port=1)


async def test_the_same_again_is_not_written(paths: Paths) -> None:
    file = RunStateFile(runtime_file(paths))
    await file.record(last_api=LastApiConfig(host="h", port=1))
    before = runtime_file(paths).stat()
    await file.record(last_api=LastApiConfig(host="h", port=1))
    await file.forget("nobody")
    assert runtime_file(paths).stat().st_ino == before.st_ino


async def test_what_others_wrote_into_the_file_is_kept(paths: Paths) -> None:
    file = RunStateFile(runtime_file(paths))
    await file.load()
    runtime_file(paths).write_text(json.dumps({"last_api": {"host": "h", "port": 2}, "mine": 1}))
    await file.record(last_dispatch={"a": LastDispatchConfig(channel="c")})
    written = json.loads(runtime_file(paths).read_text())
    assert written["last_api"] == {"host": "h", "port": 2}
    assert written["mine"] == 1
    assert written["last_dispatch"]["a"]["channel"] == "c"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"last_api": 5}'])
async def test_a_damaged_file_is_set_aside_and_stops_nobody(paths: Paths, content: str) -> None:
    runtime_file(paths).write_text(content)
    file = RunStateFile(runtime_file(paths))
    await file.load()
    await file.record(last_api=LastApiConfig(host="h", port=1))
    kept = list(paths.working_dir.glob("runtime.json.damaged-*"))
    assert [path.read_text() for path in kept] == [content]
    assert read_last_api(paths).port == 1


def test_the_address_falls_back_to_config_json_and_then_to_nothing(paths: Paths) -> None:
    assert read_last_api(paths) == LastApiConfig()
    runtime_file(paths).write_text("torn")
    paths.config_file.write_text('{"last_api": {"host": "127.0.0.1", "port": 8088}}')
    assert read_last_api(paths) == LastApiConfig(host="127.0.0.1", port=8088)
    for content in ("{}", "torn", "[]", '{"last_api": 1}'):
        paths.config_file.write_text(content)
        assert read_last_api(paths) == LastApiConfig()
