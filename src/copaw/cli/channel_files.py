"""Files of custom channels: checked without running them, put into ``custom_channels/``, taken out of it."""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from string import Template

from copaw.aiokits.files import write_atomic
from copaw.app.channels.custom import CUSTOM_DIR_NAME
from copaw.app.channels.registry import BUILTIN
from copaw.errors import BadInput, Conflict
from copaw.paths import Paths

MAX_FILE_BYTES = 1024 * 1024
MAX_PACKAGE_BYTES = 10 * MAX_FILE_BYTES
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

_TEMPLATE = Template('''\
"""The channel "$key": a beginning, to be filled with the way to your transport.

A saved change is taken over at the agent's next reload: copaw agents reload
"""

import asyncio
import logging

from copaw.app.channels.base import BaseChannel
from copaw.app.channels.message import text_of
from copaw.config.models import BaseChannelConfig

logger = logging.getLogger(__name__)


class ${name}Config(BaseChannelConfig):
    """Settings of its own. Each is a field of "$key" in the channels of agent.json."""

    token: str = ""


class $name(BaseChannel):
    channel = "$key"
    config_model = ${name}Config

    async def run(self, ready):
        # Connect here. Hand over each message that comes in:
        #   await self.receive(InboundMessage.of_text(message_id, session_id, user_id, text))
        ready()
        await asyncio.Event().wait()

    async def send(self, target, parts):
        # Send to target.user_id in target.session_id here.
        logger.info("%s for %s: %s", self.channel, target.session_id, text_of(parts))
''')


def directory(paths: Paths) -> Path:
    """Where custom channels are."""
    return paths.working_dir / CUSTOM_DIR_NAME


def check_key(key: str) -> None:
    """:raises BadInput: it is no name for a file. :raises Conflict: it is that of a channel of copaw's own."""
    if not _KEY.fullmatch(key):
        raise BadInput(f"KEY {key!r}: use up to 64 letters, digits, - or _, beginning with a letter.", field="key")
    if key in BUILTIN:
        raise Conflict(f"Channel '{key}' comes with copaw; set it up with `copaw channels config`.")


def keys_of(source: bytes, name: str) -> set[str]:
    """The channel keys that a Python file defines, read without running it.

    :raises BadInput: it is no Python file.
    """
    try:
        tree = ast.parse(source, filename=name)
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"{name} is no Python file: {error}.", field="path") from error
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {value for node in classes for statement in node.body if (value := _channel_key(statement))}


def _channel_key(statement: ast.stmt) -> str:
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id="channel")], value=ast.Constant(value=str(key)))
            | ast.AnnAssign(target=ast.Name(id="channel"), value=ast.Constant(value=str(key)))
        ):
            return key
    return ""


def template(key: str) -> bytes:
    """A channel that connects to nothing yet."""
    name = "".join(part.capitalize() for part in re.split(r"[-_]", key)) + "Channel"
    return _TEMPLATE.substitute(key=key, name=name).encode()


def find(paths: Paths, key: str) -> list[Path]:
    """The file or package of a channel: what bears its name, and whatever else defines its key."""
    return [path for path in _installed(paths) if path.stem == key or key in _readable_keys(path)]


def _installed(paths: Paths) -> Iterator[Path]:
    root = directory(paths)
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or (path / "__init__.py").is_file()):
            yield path


def _readable_keys(path: Path) -> set[str]:
    file = path / "__init__.py" if path.is_dir() else path
    try:
        return keys_of(file.read_bytes(), path.name)
    except (OSError, BadInput):
        return set()


def is_there(paths: Paths, key: str) -> bool:
    """Whether a server of this version can connect the channel: it comes with copaw, or its file is in place."""
    return key in BUILTIN or bool(find(paths, key))


def install_source(paths: Paths, key: str, source: bytes, origin: str) -> Path:
    """Put one Python file into place.

    :param origin: where it is from, for people.
    :raises BadInput: it does not define the channel. :raises Conflict: there is one already.
    """
    _check_defines(source, key, origin)
    _check_absent(paths, key)
    target = directory(paths) / f"{key}.py"
    write_atomic(target, source)
    return target


def install_path(paths: Paths, key: str, origin: Path) -> Path:
    """Put a Python file, or a package with all its files, into place. Raises as :func:`install_source`."""
    if origin.is_file():
        return install_source(paths, key, origin.read_bytes(), str(origin))
    start = origin / "__init__.py"
    if not start.is_file():
        raise BadInput(f"--path {origin} is neither a Python file nor a package with __init__.py.", field="path")
    _check_defines(start.read_bytes(), key, str(start))
    _check_package(origin)
    _check_absent(paths, key)
    root = directory(paths)
    root.mkdir(parents=True, exist_ok=True)
    target = root / key
    # A name with a dot is not looked at, so no reload finds half of it.
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=root) as temporary:
        copy = shutil.copytree(origin, Path(temporary) / key, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        copy.rename(target)
    return target


def remove(paths: Paths, key: str) -> list[Path]:
    """Take the channel out; return what was removed. A link is removed as a link."""
    found = find(paths, key)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found


def _check_defines(source: bytes, key: str, origin: str) -> None:
    defined = keys_of(source, origin)
    if key not in defined:
        others = f"it defines {', '.join(sorted(defined))}" if defined else 'a class with channel = "..." is missing'
        raise BadInput(f"{origin} defines no channel '{key}': {others}.", field="key")


def _check_absent(paths: Paths, key: str) -> None:
    if found := find(paths, key):
        raise Conflict(
            f"Channel '{key}' is there already, in {found[0]}. Remove it first: "
            f"copaw channels remove {key} --keep-config"
        )


def _check_package(origin: Path) -> None:
    size = 0
    for path in origin.rglob("*"):
        if path.is_symlink():
            raise BadInput(f"--path {origin}: {path} is a symbolic link; a package must be whole.", field="path")
        size += path.stat().st_size if path.is_file() else 0
    if size > MAX_PACKAGE_BYTES:
        raise BadInput(f"--path {origin} has more than {MAX_PACKAGE_BYTES // 1024**2} MiB.", field="path")
