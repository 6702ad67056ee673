"""Tokens that prove a log-in: signed JSON Web Tokens (RFC 7519, HS256) that expire."""

from __future__ import annotations

from copaw.security.account import Account

LIFETIME_S = 7 * 24 * 3600
"""How long a log-in lasts."""
_ALGORITHM = "HS256"
_OPTIONS = {"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False}


def issue_token(account: Account, now_s: float, lifetime_s: float = LIFETIME_S) -> str:
    """A token for the account.

    :param now_s: seconds since 1970.
    """
    import jwt

    claims = {"sub": account.username, "iat": int(now_s), "exp": int(now_s + lifetime_s)}
    return jwt.encode(claims, account.token_key, algorithm=_ALGORITHM)


def is_valid_token(token: str, account: Account, now_s: float) -> bool:
    """Whether the account's present key signed the token and it has not expired at ``now_s``."""
    import jwt

    if not token.isascii():
        return False
    try:
        claims = jwt.decode(token, account.token_key, algorithms=[_ALGORITHM], options=_OPTIONS)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        return False
    # Not left to the library, which knows the wall clock alone.
    expires = claims["exp"]
    return isinstance(expires, int) and now_s < expires and claims["sub"] == account.username
