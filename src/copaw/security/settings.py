"""What the environment says about logging in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from copaw.errors import BadInput

_ON = {"1", "true", "yes", "on"}
_OFF = {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Whether one has to log in, and who is registered when the server starts and nobody is yet."""

    enabled: bool = False
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> AuthSettings:
        """:raises BadInput: ``COPAW_AUTH_ENABLED`` is neither yes nor no; a typing error must not mean no."""
        flag = environ.get("COPAW_AUTH_ENABLED", "").strip().lower()
        if flag not in _ON | _OFF:
            raise BadInput(f"COPAW_AUTH_ENABLED must be true or false, not {flag!r}.", field="COPAW_AUTH_ENABLED")
        return cls(flag in _ON, environ.get("COPAW_AUTH_USERNAME", ""), environ.get("COPAW_AUTH_PASSWORD", ""))
