"""Channels that the operator wrote: each Python file or package in ``custom_channels/`` of the working directory."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from copaw.app.channels.base import BaseChannel

CUSTOM_DIR_NAME = "custom_channels"
_PREFIX = "copaw_custom_channels"
_serials = itertools.count(1)


@dataclass(frozen=True, slots=True)
class CustomFile:
    """What one file gave.

    :param stamp: changes when the file does.
    :param problem: why it could not be used; empty if it could.
    """

    stamp: str
    channels: tuple[type[BaseChannel], ...] = ()
    problem: str = ""


@dataclass
class CustomChannels:
    """The custom files of a directory, each loaded when it is new or changed.

    :param directory: need not exist.
    """

    directory: Path
    files: dict[Path, CustomFile] = field(default_factory=dict)

    def scan(self) -> bool:
        """Load what is new and forget what is gone; ``True`` if anything changed. Blocking.

        A file that cannot be loaded says so in its ``problem`` and does not disturb the others.
        """
        found = {path: _stamp(path) for path in sorted(self._candidates())}
        before = {path: file.stamp for path, file in self.files.items()}
        if found == before:
            return False
        self.files = {
            path: self.files[path] if before.get(path) == stamp else _load(path, stamp) for path, stamp in found.items()
        }
        return True

    def _candidates(self) -> Iterator[Path]:
        if not self.directory.is_dir():
            return
        for path in self.directory.iterdir():
            if path.name.startswith(("_", ".")):
                continue
            if path.suffix == ".py" and path.is_file():
                yield path
            elif (path / "__init__.py").is_file():
                yield path / "__init__.py"


def _stamp(path: Path) -> str:
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return ";".join(f"{file.name}:{(stat := file.stat()).st_mtime_ns}:{stat.st_size}" for file in files)


def _load(path: Path, stamp: str) -> CustomFile:
    try:
        module = _import(path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - supervisor of foreign code: its failure is a fact about the file
        return CustomFile(stamp, problem=f"{path}: {type(error).__name__}: {error}")
    channels = tuple(channel for channel in _channels(module) if channel.channel)
    if not channels:
        return CustomFile(stamp, problem=f"{path}: it defines no subclass of BaseChannel with a 'channel' key")
    return CustomFile(stamp, channels)


def _import(path: Path) -> ModuleType:
    # A name of its own for each load: a changed file is a new module, and the former one goes on as it is.
    name = f"{_PREFIX}_{next(_serials)}_{path.parent.name if path.name == '__init__.py' else path.stem}"
    is_package = path.name == "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _channels(module: ModuleType) -> Iterator[type[BaseChannel]]:
    for value in vars(module).values():
        # A class that the file merely imports is not its own.
        if isinstance(value, type) and value.__module__ == module.__name__ and issubclass(value, BaseChannel):
            yield value
