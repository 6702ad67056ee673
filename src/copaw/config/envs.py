"""The user's environment variables: ``envs.json`` in the secrets directory, ``{"NAME": "value"}``.

They are for what the server starts, shell commands and MCP servers, and take precedence there over the server's own
environment. The server itself is set up by the environment it was started with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError, Conflict, NotFound

FILE = "envs"
MAX_VALUE_BYTES = 64 * 1024
MAX_TOTAL_BYTES = 512 * 1024
"""Beyond such sizes the operating system refuses to start a process."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_PREFIX = "COPAW_"
_LOCK_S = 10.0


class EnvFile:
    """Reads and changes the variables. All methods block.

    Other processes may change the file at the same time: a change is made under a lock, on what is there now.

    :param directory: the secrets directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = SecretFiles(directory)

    def load(self) -> dict[str, str]:
        """Every variable there is, by name, in the order of the file.

        :raises ConfigFileError: the file cannot be used. It does not tell values.
        """
        stored = self._files.read(FILE)
        for name, value in stored.items():
            if not isinstance(value, str):
                raise ConfigFileError(self._directory / f"{FILE}.json", "must be a text", field=name)
        return stored

    def for_children(self) -> dict[str, str]:
        """The variables that a process can be given: without those of copaw itself. Raises as :meth:`load`."""
        return {
            name: value
            for name, value in self.load().items()
            if _NAME.fullmatch(name) and not is_protected(name) and "\0" not in value
        }

    def save(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Replace all variables.

        :raises BadInput: a name or value cannot be used; nothing was changed. What was there before may stay.
        :raises ConfigFileError: the file cannot be used; it is left as it is.
        """
        with self._locked():
            return self._replace(self.load(), dict(variables))

    def set(self, name: str, value: str) -> dict[str, str]:
        """Set one variable and return them all. Raises as :meth:`save`."""
        with self._locked():
            before = self.load()
            return self._replace(before, {**before, name: value})

    def delete(self, name: str) -> dict[str, str]:
        """Remove one variable and return the others.

        :raises NotFound: there is none with that name.
        :raises ConfigFileError: the file cannot be used; it is left as it is.
        """
        with self._locked():
            variables = self.load()
            if name not in variables:
                raise NotFound(f"There is no environment variable {name!r}. Known: {', '.join(variables) or 'none'}.")
            del variables[name]
            self._files.write(FILE, variables)
            return variables

    def _replace(self, before: Mapping[str, str], variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if before.get(name) != value:
                check(name, value)
        if sum(len(name) + len(value.encode(errors="replace")) for name, value in variables.items()) > MAX_TOTAL_BYTES:
            raise BadInput(f"The variables are larger than {MAX_TOTAL_BYTES // 1024} KiB together.", field="body")
        if variables != before:
            self._files.write(FILE, dict(variables))
        return variables

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with FileLock(self._directory / f".{FILE}.lock", timeout=_LOCK_S, mode=0o600):
                yield
        except Timeout:
            raise Conflict("The environment variables are being changed by another process. Try again.") from None


def check(name: str, value: str) -> None:
    """:raises BadInput: no process can have such a variable, or it is one of copaw's own."""
    if not _NAME.fullmatch(name):
        problem = "a name has letters, digits and underscores, and does not begin with a digit"
    elif is_protected(name):
        problem = "this is a variable of copaw itself. Set it in the environment that the server is started from"
    elif "\0" in value:
        problem = "a value has no NUL character"
    elif len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
        problem = f"a value has at most {MAX_VALUE_BYTES // 1024} KiB"
    else:
        return
    raise BadInput(f"{name[:100]}: {problem}.", field=name[:100])


def is_protected(name: str) -> bool:
    """Whether copaw reads the variable itself, when it starts: a value in the file would never count."""
    return name.upper().startswith(_OWN_PREFIX)
