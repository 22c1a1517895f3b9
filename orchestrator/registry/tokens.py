"""Bearer tokens of one registry: asked for once, for many repositories at once, and kept.

A token server may grant less than was asked, or refuse to hear of several repositories
(distribution's token specification: the token holds the intersection of what was asked and
what is allowed); then each is asked for by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.config.authfile import Credentials, FoundLogin
from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.registry.challenge import (
    Challenge,
    Token,
    basic_authorization,
    is_realm_safe,
    parse_token,
    token_url,
)
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Transport
from orchestrator.system.http import HttpError

_SCOPES = 20
"""Repositories in one token: it names them all, and travels in every request's header."""

_LARGEST = 256 * 1024
READ, WRITE = "pull", "pull,push"


@dataclass(frozen=True)
class _TokenRequest:
    """The key of a token: for what, for whom, and from which server."""

    challenge: Challenge
    login: FoundLogin
    repositories: tuple[str, ...]
    actions: str = READ

    @property
    def token_server(self) -> tuple[str, FoundLogin]:
        return self.challenge.realm, self.login


@dataclass(eq=False)
class _TokenSlot:
    """Where a token is kept; the lock lets one thread ask while others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Token | None = None
    refusal: Inconclusive | None = None


class Tokens:
    """Bearer tokens for a registry's repositories; any number of threads may ask."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._batches: dict[tuple[FoundLogin, str], tuple[str, ...]] = {}
        self._slots: dict[_TokenRequest, _TokenSlot] = {}
        self._lock = threading.Lock()
        self._asks_singly = False
        self._rejected: dict[tuple[str, FoundLogin], Inconclusive] = {}

    def expect(self, login: FoundLogin, repositories: Iterable[str]) -> None:
        """Say which repositories will be read, so that one token serves several."""
        with self._lock:
            new = [one for one in dict.fromkeys(repositories) if (login, one) not in self._batches]
            for start in range(0, len(new), _SCOPES):
                batch = tuple(new[start : start + _SCOPES])
                self._batches |= {(login, repository): batch for repository in batch}

    def rejects(self, login: FoundLogin) -> bool:
        """Whether a token server took this name or password for wrong."""
        return any(rejected == login for _, rejected in self._rejected)

    def is_shared(self, login: FoundLogin, repository: str) -> bool:
        """Whether a repository's token is for others too."""
        return not self._asks_singly and len(self._batch(login, repository)) > 1

    def give_up_sharing(self) -> None:
        """From now on, ask for each repository by itself."""
        self._asks_singly = True

    def get(
        self,
        challenge: Challenge,
        login: FoundLogin,
        repository: str,
        *,
        actions: str = READ,
        origin: str = "",
        is_fresh: bool = False,
    ) -> Token | Inconclusive:
        """A token that opens the repository, as far as its server says so.

        Args:
            challenge: The registry's, which names the token server.
            login: Whom it is for.
            repository: What it is for.
            actions: What is to be done there; a token to write is for one repository alone.
            origin: Another repository that has to be read to write this one, if any.
            is_fresh: What is kept did not do: ask anew, for this repository alone.
        """
        if actions == READ and self.is_shared(login, repository) and not is_fresh:
            found = self._kept(self._first(challenge, login, repository))
            if isinstance(found, Token) or found.ends_host:
                return found
        if origin:
            both = _TokenRequest(challenge, login, (repository, origin), actions)
            found = self._kept(both, is_fresh=is_fresh)
            if isinstance(found, Token) or found.ends_host:
                return found
        return self._kept(
            _TokenRequest(challenge, login, (repository,), actions), is_fresh=is_fresh
        )

    def has(self, challenge: Challenge, login: FoundLogin, repository: str) -> bool:
        """Whether a token to read was asked for already, whatever came of it."""
        with self._lock:
            slot = self._slots.get(self._first(challenge, login, repository))
        return slot is not None and bool(slot.token or slot.refusal)

    def _first(self, challenge: Challenge, login: FoundLogin, repository: str) -> _TokenRequest:
        """What is asked for first to read: one token for many repositories, while that does."""
        is_shared = self.is_shared(login, repository)
        repositories = self._batch(login, repository) if is_shared else (repository,)
        return _TokenRequest(challenge, login, repositories)

    def _batch(self, login: FoundLogin, repository: str) -> tuple[str, ...]:
        return self._batches.get((login, repository), (repository,))

    def _kept(self, request: _TokenRequest, *, is_fresh: bool = False) -> Token | Inconclusive:
        with self._lock:
            slot = self._slots.setdefault(request, _TokenSlot())
        with slot.lock:
            if slot.refusal and not is_fresh:
                return slot.refusal
            if slot.token and not is_fresh and self._transport.clock() < slot.token.expires_at:
                return slot.token
            found = self._ask(request)
            slot.token, slot.refusal = (found, None) if isinstance(found, Token) else (None, found)
            return found

    def _ask(self, request: _TokenRequest) -> Token | Inconclusive:
        realm = request.challenge.realm
        if not is_realm_safe(realm, self._transport.is_insecure):
            return Inconclusive("the token server that was named can't be trusted with a login")
        if request.token_server in self._rejected:
            return self._rejected[request.token_server]
        host = host_of(realm)
        url = token_url(
            request.challenge, request.repositories, request.login, actions=request.actions
        )
        try:
            answer = self._transport.ask("GET", url, _headers(request.login), limit=_LARGEST)
        except HttpError as error:
            return Inconclusive(error.message, ends_host=True, kind=error.kind)
        if answer.status == 429 or answer.status >= 500:
            return Inconclusive(f"{host} answered {answer.status} for a token", ends_host=True)
        token = (
            parse_token(answer.body, now=self._transport.clock()) if answer.status == 200 else None
        )
        refusal = Inconclusive(
            f"{host} gave no token (it answered {answer.status})", kind=_kind(answer.status)
        )
        is_single = len(request.repositories) == 1
        if answer.status == 401 and is_single and isinstance(request.login, Credentials):
            self._rejected[request.token_server] = refusal  # name or password are wrong
        return token or refusal


def _kind(status: int) -> ErrorKind | None:
    return {401: ErrorKind.UNAUTHORIZED, 403: ErrorKind.UNAUTHORIZED}.get(status)


def _headers(login: FoundLogin) -> dict[str, str]:
    if isinstance(login, Credentials):
        return {"Authorization": basic_authorization(login)}
    return {}
