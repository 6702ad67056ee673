"""How copaw came onto this machine, and the commands that renew and remove it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from copaw.errors import CopawError

NAME = "copaw"


class CommandFailed(CopawError):
    """A command of the package manager failed."""

    code = "COMMAND_FAILED"


class How(StrEnum):
    """Who installed it."""

    UV_TOOL = "uv tool"
    PIPX = "pipx"
    UV = "uv"
    PIP = "pip"
    CHECKOUT = "source checkout"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installed copaw.

    :param where: its environment, or the checkout.
    :param python: the interpreter that runs it.
    :param source: what to install in place of the bare name, such as the address of a repository.
    """

    how: How
    where: Path
    python: str
    source: str = NAME

    def update_command(self) -> list[str]:
        """What installs the newest version in place of this one."""
        match self.how:
            case How.UV_TOOL:
                return ["uv", "tool", "upgrade", NAME]
            case How.PIPX:
                return ["pipx", "upgrade", NAME]
            case How.UV:
                return ["uv", "pip", "install", "--python", self.python, "--upgrade", self.source]
            case How.PIP:
                return [self.python, "-m", "pip", "install", "--upgrade", self.source]
            case How.CHECKOUT:
                return ["git", "-C", str(self.where), "pull", "--ff-only"]

    def uninstall_command(self) -> list[str]:
        """What removes it; a checkout itself stays."""
        match self.how:
            case How.UV_TOOL:
                return ["uv", "tool", "uninstall", NAME]
            case How.PIPX:
                return ["pipx", "uninstall", NAME]
            case How.UV:
                return ["uv", "pip", "uninstall", "--python", self.python, NAME]
            case How.PIP | How.CHECKOUT:
                return [self.python, "-m", "pip", "uninstall", "--yes", NAME]


def installation() -> Installation:
    """The copaw that runs now."""
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        return Installation(How.CHECKOUT, Path(__file__).resolve().parents[3], sys.executable)
    return of(found, Path(sys.prefix), sys.executable)


def of(found: Distribution, prefix: Path, python: str) -> Installation:
    """Read it from what the installer left beside the package.

    :param prefix: the environment.
    """
    origin = _origin(found)
    if origin.get("dir_info", {}).get("editable"):
        return Installation(How.CHECKOUT, Path(unquote(urlsplit(origin["url"]).path)), python)
    if (prefix / "uv-receipt.toml").is_file():
        return Installation(How.UV_TOOL, prefix, python)
    if (prefix / "pipx_metadata.json").is_file():
        return Installation(How.PIPX, prefix, python)
    by_uv = (found.read_text("INSTALLER") or "").strip() == "uv"
    return Installation(How.UV if by_uv else How.PIP, prefix, python, _source(origin))


def _origin(found: Distribution) -> dict[str, Any]:
    # PEP 610: written when it was installed from an address and not by its name.
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return origin if isinstance(origin, dict) else {}


def _source(origin: dict[str, Any]) -> str:
    match origin:
        case {"url": str(url), "vcs_info": {"vcs": str(vcs)}}:
            return f"{NAME} @ {vcs}+{url}"
    # An archive is of one version: a newer one has another address.
    return NAME


def typed(command: list[str]) -> str:
    """The command as one types it."""
    return shlex.join(command)


def run(command: list[str]) -> None:
    """Run it, its output going to the terminal.

    :raises CommandFailed: it is not there, or failed.
    """
    try:
        status = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise CommandFailed(
            f"{command[0]} cannot be run ({error.strerror}); run it yourself: {typed(command)}"
        ) from None
    if status != 0:
        raise CommandFailed(f"This failed with status {status}; the messages above say why: {typed(command)}")
