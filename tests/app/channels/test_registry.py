"""Which channels there are: built in, added, and written by the operator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.console import ConsoleChannel
from copaw.app.channels.registry import ChannelRegistry, builtin_channel, clear_builtin_channel_cache
from copaw.errors import Conflict, NotFound
from copaw.paths import Paths
from copaw.testing.memory_channel import MemoryHub

FILE = """
from copaw.app.channels.base import BaseChannel

class Mine(BaseChannel):
    channel = "{key}"
    answer = {answer}

    async def run(self, ready):
        ready()

    async def send(self, target, parts):
        pass
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "custom_channels").mkdir()
    return Paths(tmp_path, tmp_path / "secret")


def write(paths: Paths, name: str, text: str = "", *, key: str = "mine", answer: int = 1) -> Path:
    path = paths.working_dir / "custom_channels" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text or FILE.format(key=key, answer=answer))
    return path


async def registry(paths: Paths, **environ: str) -> ChannelRegistry:
    made = ChannelRegistry.from_environment(paths, environ)
    await made.refresh()
    return made


async def test_the_console_is_built_in_and_an_unknown_key_lists_the_known(paths: Paths) -> None:
    channels = await registry(paths)
    assert channels.get("console").cls is ConsoleChannel
    with pytest.raises(NotFound, match=r"Known channels: console\."):
        channels.get("pigeon")


async def test_a_key_is_given_once(paths: Paths) -> None:
    channels = await registry(paths)
    channels.add(MemoryHub().kind())
    for taken in ("memory", "console"):
        with pytest.raises(Conflict, match=taken):
            channels.add(MemoryHub().kind(taken))


async def test_files_and_packages_of_the_operator_are_channels(paths: Paths) -> None:
    write(paths, "mine.py")
    write(
        paths, "packed/__init__.py", "from .inner import Mine as _Mine\nclass Packed(_Mine):\n    channel = 'packed'\n"
    )
    write(paths, "packed/inner.py", key="inner")
    write(paths, "_helper.py", "raise RuntimeError")
    channels = await registry(paths)
    assert (channels.known(), channels.problems) == (["console", "mine", "packed"], [])
    assert issubclass(channels.get("mine").cls, BaseChannel)


async def test_a_changed_file_is_another_version_and_an_unchanged_one_is_not_loaded_again(paths: Paths) -> None:
    path = write(paths, "mine.py")
    channels = await registry(paths)
    first = channels.get("mine")
    await channels.refresh()
    assert channels.get("mine") is first
    write(paths, "mine.py", answer=2)
    os.utime(path, ns=(1, 1))
    await channels.refresh()
    second = channels.get("mine")
    assert (vars(first.cls)["answer"], vars(second.cls)["answer"]) == (1, 2)
    assert first.version != second.version
    path.unlink()
    await channels.refresh()
    assert channels.known() == ["console"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_library", "ModuleNotFoundError"),
        ("def broken(", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "no subclass of BaseChannel"),
        (FILE.format(key="console", answer=1), "already a channel 'console'"),
        (FILE.format(key="good", answer=1), "already a channel 'good'"),
    ],
)
async def test_a_file_that_cannot_be_used_says_why_and_disturbs_nobody(paths: Paths, text: str, problem: str) -> None:
    write(paths, "a_good.py", key="good")
    write(paths, "bad.py", text)
    channels = await registry(paths)
    assert channels.known() == ["console", "good"]
    assert len(channels.problems) == 1
    assert "bad.py" in channels.problems[0]
    assert problem in channels.problems[0]


async def test_no_directory_is_no_custom_channels(tmp_path: Path) -> None:
    channels = await registry(Paths(tmp_path / "none", tmp_path))
    assert channels.known() == ["console"]


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({}, {"console", "qq"}),
        ({"COPAW_ENABLED_CHANNELS": "qq, telegram"}, {"qq"}),
        ({"COPAW_DISABLED_CHANNELS": "qq"}, {"console"}),
        ({"COPAW_ENABLED_CHANNELS": "qq", "COPAW_DISABLED_CHANNELS": "qq"}, set()),
    ],
)
async def test_the_environment_says_which_may_be_used(paths: Paths, environ: dict[str, str], allowed: set[str]) -> None:
    channels = await registry(paths, **environ)
    assert {key for key in ("console", "qq") if channels.allows(key)} == allowed


def test_the_cache_of_built_in_classes_can_be_cleared() -> None:
    builtin_channel("console")
    assert builtin_channel.cache_info().currsize == 1
    clear_builtin_channel_cache()
    assert builtin_channel.cache_info().currsize == 0
    assert builtin_channel("console") is ConsoleChannel
