"""Seals: an HMAC on each row of the state database shows that a run of this user wrote it. No I/O.

A state directory may be shared, and a cache of it may be filled by others; a row that anybody
could have made would let any image pass as in sync. SQLite does not notice every byte that
changes beneath it either (sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from orchestrator.config.settings import Login
from orchestrator.system.parallel import OncePerKey

_LENGTH = 32
"""Hexadecimal digits of a seal."""

_ROUNDS = 50_000
"""Some 20 ms for a key: who reads a seal does not find a password by trying many."""


class Seals:
    """Seals under a user's logins; any number of threads may use them at once.

    Args:
        logins: A seal is made with a key of the first, and good with a key of any. Without a
            login it shows no more than that a row was not damaged.
    """

    def __init__(self, logins: Sequence[Login] = ()) -> None:
        self._logins = tuple(logins)
        self._key = OncePerKey(_key_of)

    @property
    def is_secret(self) -> bool:
        """Whether nobody else can make one."""
        return bool(self._logins)

    def make(self, *texts: str) -> str:
        """The seal of some texts, in this order."""
        return _seal(self._key(self._logins[0]) if self._logins else b"", texts)

    def holds(self, seal: str, *texts: str) -> bool:
        """Whether these very texts were sealed so, under one of the logins."""
        keys = map(self._key, self._logins) if self._logins else iter((b"",))
        return any(hmac.compare_digest(_seal(key, texts).encode(), seal.encode()) for key in keys)


def _key_of(login: Login) -> bytes:
    salt = f"{login.registry}\0{login.username}"
    return hashlib.pbkdf2_hmac("sha256", _bytes(login.password), _bytes(salt), _ROUNDS)


def _seal(key: bytes, texts: tuple[str, ...]) -> str:
    return hmac.new(key, _bytes("\0".join(texts)), hashlib.sha256).hexdigest()[:_LENGTH]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
