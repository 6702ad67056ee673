"""The one account of a server, in ``auth.json`` in the secrets directory.

``{"username", "password_hash", "token_key"}``. The key signs the account's tokens and is new whenever the password
or the name is, so that every earlier token ends with it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError
from copaw.ports import Json
from copaw.security.passwords import DEFAULT_COST, MAX_PASSWORD_BYTES, ScryptCost, hash_password

ACCOUNT_NAME = "auth"
MAX_USERNAME_CHARS = 128
_KEY_BYTES = 32
_MEND = "`copaw auth reset-password` sets it aside and makes a new one"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in, and the key of the tokens."""

    username: str
    password_hash: str = field(repr=False)
    token_key: str = field(repr=False)


def new_account(username: str, password: str, cost: ScryptCost = DEFAULT_COST) -> Account:
    """An account with a key of its own. Blocking, because hashing is slow.

    :raises BadInput: the name or the password is empty or too long.
    """
    return Account(checked_username(username), hash_password(checked_password(password), cost), new_key())


def new_key() -> str:
    """A random key for tokens."""
    return secrets.token_urlsafe(_KEY_BYTES)


def checked_username(username: str) -> str:
    """``username`` without space around it. :raises BadInput: empty, too long, or with control characters."""
    name = username.strip()
    if not name or len(name) > MAX_USERNAME_CHARS or not name.isprintable():
        raise BadInput(
            f"Field 'username': give a name of 1 to {MAX_USERNAME_CHARS} printable characters.", field="username"
        )
    return name


def checked_password(password: str, field: str = "password") -> str:
    """:raises BadInput: empty or too long. Space counts: it is part of a password."""
    if not 0 < len(password.encode(errors="surrogatepass")) <= MAX_PASSWORD_BYTES:
        raise BadInput(f"Field '{field}': give a password of 1 to {MAX_PASSWORD_BYTES} bytes.", field=field)
    return password


class AccountFile:
    """Reads and replaces ``auth.json``. All methods block.

    A file that cannot be used is an error and never the same as no file: nobody may register over it.
    """

    def __init__(self, files: SecretFiles) -> None:
        self._files = files

    def load(self) -> Account | None:
        """The account, ``None`` if nobody is registered.

        :raises ConfigFileError: the file cannot be read or does not hold an account.
        """
        document = self._files.read(ACCOUNT_NAME)
        if not document and not self._files.exists(ACCOUNT_NAME):
            return None
        match document:
            case {"username": str(username), "password_hash": str(password_hash), "token_key": str(token_key)}:
                if username and password_hash.startswith("$scrypt$") and len(token_key) >= _KEY_BYTES:
                    return Account(username, password_hash, token_key)
        raise ConfigFileError(
            self._files.path(ACCOUNT_NAME), f"does not hold an account of this version of copaw; {_MEND}"
        )

    def save(self, account: Account) -> None:
        """Replace the account as a whole. :raises ConfigFileError: it cannot be written; the old one is still there."""
        document: Json = {
            "username": account.username,
            "password_hash": account.password_hash,
            "token_key": account.token_key,
        }
        try:
            self._files.write(ACCOUNT_NAME, document)
        except OSError as error:
            raise ConfigFileError(self._files.path(ACCOUNT_NAME), f"cannot be written: {error.strerror}") from error
