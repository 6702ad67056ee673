"""Logging in: the one account of this server, its tokens, and the local token, as the server knows them.

The files are read again, in a thread, when what is known is older than ``KNOWN_FOR_S``. So a password that is reset
from the command line ends every token within that time, and a request costs no file access.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError, Forbidden, Unauthenticated, Unavailable
from copaw.ports import Json
from copaw.security.account import Account, AccountFile, checked_password, checked_username, new_account, new_key
from copaw.security.guesses import GuessLimit
from copaw.security.local_token import local_token
from copaw.security.passwords import (
    DEFAULT_COST,
    MAX_PASSWORD_BYTES,
    ScryptCost,
    hash_password,
    impossible_hash,
    verify_password,
)
from copaw.security.settings import AuthSettings
from copaw.security.tokens import is_valid_token, issue_token

logger = logging.getLogger(__name__)

KNOWN_FOR_S = 1.0
HASHES_AT_A_TIME = 2
"""Each takes a processor and 32 MiB; more at once would be a way to exhaust the server."""


class AccountUnusable(Unavailable):
    """Nobody can log in now, because the server cannot use its auth.json; its log says why."""

    code = "ACCOUNT_UNUSABLE"

    def __init__(self) -> None:
        super().__init__(
            "Nobody can log in now: the server cannot use its auth.json, and its log says why. "
            "`copaw auth reset-password` on its machine makes a new one.",
            retry_after_s=60,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    account: Account | None = None
    problem: str = ""
    local_token: str = ""

    def usable_account(self) -> Account | None:
        """:raises AccountUnusable: there is a file, and it cannot be used."""
        if self.problem:
            raise AccountUnusable
        return self.account


class Authentication:
    """Who may call this server. Nothing here is asked while ``enabled`` is false, except what answers so.

    :param files: the secrets directory.
    :param wall_clock: seconds since 1970, for the expiry of tokens.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        files: SecretFiles,
        settings: AuthSettings,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        cost: ScryptCost = DEFAULT_COST,
    ) -> None:
        self.enabled = settings.enabled
        self._settings = settings
        self._files = files
        self._file = AccountFile(files)
        self._wall_clock = wall_clock
        self._clock = clock
        self._cost = cost
        self._guesses = GuessLimit(clock)
        self._hashing = asyncio.Semaphore(HASHES_AT_A_TIME)
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._state, self._read_at = _Known(), -KNOWN_FOR_S
        self._reported = ""
        # Compared with when nobody has the name, so that both answers take the same time.
        self._nobody = impossible_hash(cost)

    async def open(self) -> None:
        """Make the local token, and register the account of the environment if there is none yet."""
        if not self.enabled:
            return
        await asyncio.to_thread(_load_library)
        known = await self._read()
        username, password = self._settings.username, self._settings.password
        if known.account or known.problem:
            return
        if username and password:
            await self._create(username, password)
            logger.info("registered %r, as the environment says", username)
        else:
            logger.warning(
                "Log-in is on and nobody is registered: whoever comes first registers. "
                "Set COPAW_AUTH_USERNAME and COPAW_AUTH_PASSWORD to be that yourself."
            )

    async def status(self) -> Json:
        """``{"enabled", "has_users"}``. An account that cannot be used is one all the same."""
        known = await self._read()
        return {"enabled": self.enabled, "has_users": bool(known.account or known.problem)}

    async def username_of(self, token: str | None, *, local: bool) -> str | None:
        """The name of the account if this token is one of its log-ins or the local token; ``None`` if not.

        :param local: the caller is on this machine; from elsewhere the local token counts for nothing.
        :raises AccountUnusable: the token may be good, but the account cannot be read.
        """
        known = await self._known()
        if not token:
            return None
        if local and known.local_token and _same(token, known.local_token):
            return known.account.username if known.account else ""
        account = known.usable_account()
        return account.username if account and is_valid_token(token, account, self._wall_clock()) else None

    async def register(self, username: str, password: str) -> Json:
        """Make the account. :raises Forbidden: log-in is off, or somebody is registered already."""
        self._require_enabled()
        checked_username(username)
        checked_password(password)
        return self._session(await self._create(username, password))

    async def login(self, username: str, password: str, client: str) -> Json:
        """``{"token", "username"}``, both empty when log-in is off.

        :param client: address of the caller, for the limit on guesses.
        :raises Unauthenticated: the name or the password is wrong.
        :raises TooManyAttempts: and was too often before.
        """
        if not self.enabled:
            return {"token": "", "username": ""}
        self._guesses.begin(client)
        account = (await self._read()).usable_account()
        matches = await self._matches(account, password)
        if account is None or not (matches and _same(username.strip(), account.username)):
            # Without the name: now and then somebody types the password there.
            logger.warning("log-in: wrong name or password, from %s", client or "an unknown address")
            raise Unauthenticated("Wrong user name or password.")
        self._guesses.succeeded(client)
        return self._session(account)

    async def update(self, current: str, username: str | None, password: str | None, client: str) -> Json:
        """Change the name, the password or both; answers a new token, and every earlier one ends.

        :param client: as for :meth:`login`.
        :raises Forbidden: ``current`` is not the password, or log-in is off.
        """
        self._require_enabled()
        if username is None and password is None:
            raise BadInput("Give 'new_username', 'new_password' or both.", field="new_username")
        async with self._writing:
            self._guesses.begin(client)
            account = (await self._read()).usable_account()
            if account is None or not await self._matches(account, current):
                logger.warning("log-in: wrong present password, from %s", client or "an unknown address")
                raise Forbidden("Field 'current_password': that is not the present password.")
            self._guesses.succeeded(client)
            changed = replace(
                account,
                username=account.username if username is None else checked_username(username),
                password_hash=account.password_hash if password is None else await self._hash(password),
                token_key=new_key(),
            )
            await self._save(changed)
        logger.info("log-in: name or password was changed, from %s; earlier log-ins have ended", client)
        return self._session(changed)

    def _require_enabled(self) -> None:
        if not self.enabled:
            raise Forbidden("Log-in is off. Start the server with COPAW_AUTH_ENABLED=true to use it.")

    async def _create(self, username: str, password: str) -> Account:
        async with self._writing:
            if (await self._read()).usable_account() is not None:
                raise Forbidden("Somebody is registered already, and a server has one account only.")
            async with self._hashing:
                account = await asyncio.to_thread(new_account, username, password, self._cost)
            await self._save(account)
        return account

    async def _save(self, account: Account) -> None:
        await asyncio.to_thread(self._file.save, account)
        await self._read()

    async def _hash(self, password: str) -> str:
        checked_password(password, "new_password")
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password, self._cost)

    async def _matches(self, account: Account | None, password: str) -> bool:
        stored = account.password_hash if account else self._nobody
        if len(password) > MAX_PASSWORD_BYTES:
            return False
        try:
            async with self._hashing:
                return await asyncio.to_thread(verify_password, password, stored)
        except ValueError as error:
            logger.error("log-in: the password_hash in auth.json cannot be used: %s", error)
            raise AccountUnusable from error

    def _session(self, account: Account) -> Json:
        return {"token": issue_token(account, self._wall_clock()), "username": account.username}

    # -- what the files say --------------------------------------------------------------------------------------

    async def _known(self) -> _Known:
        return self._state if self._clock() - self._read_at < KNOWN_FOR_S else await self._read(self._read_at)

    async def _read(self, older_than: float | None = None) -> _Known:
        """Read the files.

        :param older_than: do not, if somebody else has read them since then.
        """
        async with self._reading:
            if older_than is None or self._read_at == older_than:
                read_at = self._clock()
                self._state = await asyncio.to_thread(self._read_files)
                self._read_at = read_at
            return self._state

    def _read_files(self) -> _Known:
        account, problems = None, []
        try:
            account = self._file.load()
        except ConfigFileError as error:
            problems.append(str(error))
        found = _Known(account, "".join(problems))
        if self.enabled:
            try:
                found = replace(found, local_token=local_token(self._files))
            except (ConfigFileError, OSError) as error:
                problems.append(f"The command line cannot log in by itself: {error}")
        self._report("; ".join(problems))
        return found

    def _report(self, problem: str) -> None:
        if problem != self._reported:
            logger.log(logging.ERROR if problem else logging.INFO, "log-in: %s", problem or "works again")
        self._reported = problem


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


def _load_library() -> None:
    import jwt  # noqa: F401 - half a second, of which no request shall wait
