"""Passwords as they are kept: scrypt (RFC 7914), which costs memory, written in the PHC string format.

``$scrypt$ln=15,r=8,p=3$<salt>$<hash>``: salt and hash are Base64 without padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

MAX_PASSWORD_BYTES = 1024
MAX_MEMORY_BYTES = 256 * 1024 * 1024
_SALT_BYTES = 16
_HASH_BYTES = 32
_STORED = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What one hash costs: ``128 * r * 2**log2_n`` bytes of memory, ``p`` times the work.

    The defaults take 32 MiB and are among those the OWASP Password Storage Cheat Sheet names.
    """

    log2_n: int = 15
    r: int = 8
    p: int = 3


DEFAULT_COST = ScryptCost()


def hash_password(password: str, cost: ScryptCost = DEFAULT_COST) -> str:
    """The string to keep. Takes about a tenth of a second; blocking."""
    salt = secrets.token_bytes(_SALT_BYTES)
    found = _scrypt(password, salt, cost)
    return f"$scrypt$ln={cost.log2_n},r={cost.r},p={cost.p}${_encode(salt)}${_encode(found)}"


def impossible_hash(cost: ScryptCost = DEFAULT_COST) -> str:
    """A string that no password is known for; to verify one against it takes as long as against a real one."""
    salt, wanted = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_HASH_BYTES)
    return f"$scrypt$ln={cost.log2_n},r={cost.r},p={cost.p}${_encode(salt)}${_encode(wanted)}"


def verify_password(password: str, stored: str) -> bool:
    """Whether ``stored`` was made of this password; compared in constant time. Blocking.

    :raises ValueError: ``stored`` is no such string.
    """
    match = _STORED.fullmatch(stored)
    if match is None:
        raise ValueError("not a scrypt hash in the PHC string format")
    log2_n, r, p = (int(part) for part in match.groups()[:3])
    salt, wanted = _decode(match[4]), _decode(match[5])
    return hmac.compare_digest(_scrypt(password, salt, ScryptCost(log2_n, r, p)), wanted)


def _scrypt(password: str, salt: bytes, cost: ScryptCost) -> bytes:
    # A lone surrogate is no UTF-8, yet JSON can carry one.
    data = password.encode(errors="surrogatepass")
    return hashlib.scrypt(
        data, salt=salt, n=1 << cost.log2_n, r=cost.r, p=cost.p, maxmem=MAX_MEMORY_BYTES, dklen=_HASH_BYTES
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not Base64: {error}") from error
