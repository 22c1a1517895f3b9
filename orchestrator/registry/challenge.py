"""How a registry wants a client to log in: WWW-Authenticate challenges and tokens. No I/O.

Sources: RFC 9110 section 11 for the challenge's grammar; the distribution project's
token authentication specification (spec/auth/token) for what a token server is asked and
answers.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from orchestrator.config.authfile import Credentials, FoundLogin
from orchestrator.hosts import host_of
from orchestrator.oci.json_text import Json

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  (the RFC's word for a word)
_SKIPPED = re.compile(r"[\s,]*")
_PARAMETER = re.compile(
    rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))(?=\s*(?:,|$))', re.ASCII
)
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+[0-9A-Za-z._~+/-]+=*(?=\s*(?:,|$)))?(?=[\s,]|$)", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
_SENDABLE = re.compile(r"[!-~]+")
"""What may stand in an Authorization header."""

_DEFAULT_LIFETIME = 60
"""Seconds a token lives where the server doesn't say (token specification, `expires_in`)."""
_LONGEST_LIFETIME = 24 * 3600
_FRACTION = re.compile(r"\.\d+")
OPEN = (200, 404)
"""What a registry answers where it wants no login; the 404 is of what was asked for."""
_DAY = 24 * 3600.0
_BELIEVED = 30 * _DAY
"""Seconds; past these, a token server's name may long be somebody else's."""


@dataclass(frozen=True)
class Challenge:
    """A challenge of a WWW-Authenticate header: one way to log in that a registry offers.

    Attributes:
        scheme: `basic`, `bearer`, or one we don't know.
        realm: The token server's URL, where it is `bearer`.
        service: What the token server knows the registry as.
    """

    scheme: str
    realm: str = ""
    service: str = ""


@dataclass(frozen=True)
class KnownChallenge:
    """How a registry wanted a client to log in when it was last asked.

    Attributes:
        challenge: None where it wanted no login.
        seen_at: When that was, in seconds since the epoch.
    """

    challenge: Challenge | None
    seen_at: float


class ChallengeMemory(Protocol):
    """What earlier runs were asked for by registries, as the state directory keeps it.

    Whoever has a login is asked for one where a stranger is not, so the two are kept apart.
    """

    def challenge(self, registry: str, *, has_login: bool) -> KnownChallenge | None:
        """What a registry asked for, where it may be gone by."""
        ...

    def remember_challenge(self, registry: str, known: KnownChallenge, *, has_login: bool) -> None:
        """Keep what a registry asked for."""
        ...


class NoChallenges:
    """For those who remember nothing."""

    def challenge(self, registry: str, *, has_login: bool) -> None:
        """Nothing is known."""

    def remember_challenge(self, registry: str, known: KnownChallenge, *, has_login: bool) -> None:
        """Nothing is kept."""


class Recollection:
    """What one registry wanted in an earlier run, and what the next run is to know of it.

    Args:
        memory: Where it is kept.
        registry: Its name.
        clock: Seconds since the epoch.
        is_safe: Whether a token server's address may be trusted; one that may not can hold a login.
    """

    def __init__(
        self,
        memory: ChallengeMemory,
        registry: str,
        clock: Callable[[], float],
        is_safe: Callable[[str], bool],
    ) -> None:
        self._memory = memory
        self._registry = registry
        self._clock = clock
        self._is_safe = is_safe
        self._is_old = False

    def recall(self, *, has_login: bool) -> KnownChallenge | None:
        """What it wanted, where that may still be gone by."""
        known = self._memory.challenge(self._registry, has_login=has_login)
        age = self._clock() - known.seen_at if known else _BELIEVED
        if known is None or not 0 <= age < _BELIEVED:
            return None
        # That it wants no login of whoever has one is not shown by an image that all may have.
        self._is_old = age > _DAY and (known.challenge is not None or not has_login)
        return known

    def renew(self, wanted: Challenge | None, *, has_login: bool) -> None:
        """Say that it still wants that: a question that was asked so was answered."""
        if self._is_old:
            self._is_old = False
            self.keep(wanted, 200, has_login=has_login)

    def keep(self, wanted: Challenge | None, status: int, *, has_login: bool) -> None:
        """Keep what it wants, as far as an answer of this status makes that clear."""
        is_clear = status in OPEN or (wanted is not None and status == 401)
        is_safe = wanted is None or wanted.scheme == "basic" or self._is_safe(wanted.realm)
        if is_clear and is_safe:
            known = KnownChallenge(wanted, self._clock())
            self._memory.remember_challenge(self._registry, known, has_login=has_login)


@dataclass(frozen=True)
class Token:
    """A bearer token.

    Attributes:
        expires_at: Seconds since the epoch, a margin for the way subtracted.
    """

    text: str = field(repr=False)
    expires_at: float


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read a WWW-Authenticate header; nothing of one that breaks the grammar is believed."""
    challenges: list[tuple[str, dict[str, str]]] = []
    position = _end_of(_SKIPPED.match(header))
    while position < len(header):
        parameter = _PARAMETER.match(header, position) if challenges else None
        found = parameter or _SCHEME.match(header, position)
        if found is None:
            return ()
        if parameter:
            value = parameter[3] or _ESCAPED.sub(r"\1", parameter[2] or "")
            challenges[-1][1].setdefault(parameter[1].lower(), value)
        else:
            challenges.append((found[1].lower(), {}))
        position = _end_of(_SKIPPED.match(header, found.end()))
    return tuple(
        Challenge(scheme, values.get("realm", ""), values.get("service", ""))
        for scheme, values in challenges
    )


def usable_challenge(header: str) -> Challenge | None:
    """The first way to log in that we know, as skopeo takes the first that it knows."""
    known = (one for one in parse_challenges(header) if one.scheme in ("basic", "bearer"))
    return next(known, None)


def basic_authorization(credentials: Credentials) -> str:
    """An Authorization header's value by RFC 7617."""
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode('utf-8', 'surrogateescape')).decode('ascii')}"


def is_realm_safe(realm: str, is_insecure: Callable[[str], bool]) -> bool:
    """Whether a login may be sent there: over TLS, or where plain HTTP was allowed."""
    try:
        parts = urlsplit(realm)
        has_user = parts.username is not None or parts.password is not None
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    if has_user or not has_host or not _SENDABLE.fullmatch(realm):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_insecure(host_of(realm)))


def token_url(
    challenge: Challenge,
    repositories: Iterable[str],
    login: FoundLogin,
    *,
    actions: str = "pull",
) -> str:
    """The URL to ask for a token: one `scope` for each repository.

    Args:
        challenge: The registry's, which names the token server.
        repositories: Paths below the registry.
        login: Whom the token is for.
        actions: What is to be done there, with commas between.
    """
    asked = [("account", login.username)] if isinstance(login, Credentials) else []
    if challenge.service:
        asked.append(("service", challenge.service))
    asked += [("scope", f"repository:{repository}:{actions}") for repository in repositories]
    realm = challenge.realm.partition("#")[0]
    return f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked, errors='surrogateescape')}"


def parse_token(body: bytes, *, now: float) -> Token | None:
    """Read a token server's answer; None where there is no usable token in it.

    Args:
        body: The answer's JSON.
        now: Seconds since the epoch.
    """
    try:
        document: Json = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping):
        return None
    text = document.get("token") or document.get("access_token")
    if not isinstance(text, str) or not _SENDABLE.fullmatch(text):
        return None
    lifetime = _lifetime(document.get("expires_in"))
    age = now - _issued_at(document.get("issued_at"), now)
    left = lifetime - age if 0 <= age < lifetime else lifetime  # else one of the clocks is wrong
    return Token(text, now + left - min(10.0, left / 4))


def _lifetime(value: Json) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isinstance(value, int | float) or not value > 0:
        return _DEFAULT_LIFETIME
    return float(min(value, _LONGEST_LIFETIME))


def _issued_at(value: Json, now: float) -> float:
    """RFC 3339, whose fractions and `Z` Python 3.10 does not read."""
    if not isinstance(value, str):
        return now
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", value).replace("Z", "+00:00"))
    except ValueError:
        return now
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def _end_of(match: re.Match[str] | None) -> int:
    return match.end() if match else 0
