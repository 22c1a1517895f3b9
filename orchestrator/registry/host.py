"""One registry: its address, how it wants a client to log in, and whether it has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeAlias

from orchestrator.config.authfile import Credentials, FoundLogin, NoCredentials
from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.oci.reference import DOCKER_HUB, DOCKER_HUB_SERVER
from orchestrator.registry.challenge import (
    OPEN,
    Challenge,
    ChallengeMemory,
    NoChallenges,
    Recollection,
    basic_authorization,
    is_realm_safe,
    usable_challenge,
)
from orchestrator.registry.health import HostHealth
from orchestrator.registry.pull_limit import is_over_limit
from orchestrator.registry.responses import Inconclusive, moment_in
from orchestrator.registry.tokens import READ, WRITE, Tokens
from orchestrator.registry.transport import Request, Transport
from orchestrator.system.body import BodyStream
from orchestrator.system.http import HttpError, Response

_SERVED_AT: Mapping[str, str] = {DOCKER_HUB: DOCKER_HUB_SERVER}
_OPENED_AHEAD = 16
"""Connections for the blobs of one image, which are all asked for at once; few images have more."""
_OPENING = 5.0
"""Seconds that one is waited for, where a token is there before it stands."""

_HIDDEN = (403, 404)
"""What some registries tell strangers of what is there."""
_UNREACHED = (ErrorKind.UNREACHABLE, ErrorKind.TLS)

_Way: TypeAlias = "tuple[str, Challenge | None]"
"""How a registry is asked: its address, and what it wants of a client."""


class RegistryHost:
    """One registry; any number of threads may ask.

    What it wanted of a client in an earlier run is gone by at once: a token is asked for while the
    connections are opened, and no question waits for another. Whatever goes wrong then may do so
    since it wants something else now; so it is asked anew before that is believed.

    Attributes:
        round_trip: Seconds that its fastest answer took; None before there was one.
        asks_late: Whether it asked for a login only when something was asked of it. skopeo gives
            none then, as it goes by the answer to "who are you?" alone.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        health: HostHealth | None = None,
        memory: ChallengeMemory | None = None,
    ) -> None:
        self._name, self._address = name, _SERVED_AT.get(name, name)
        self._is_recalled = self._is_unsure = False
        self._past = Recollection(memory or NoChallenges(), name, transport.clock, self._is_safe)
        self._transport = transport
        self._health = health or HostHealth()
        self._has_pinged = False
        self._is_led_elsewhere = False
        self._tokens = Tokens(transport)
        self._meeting = threading.Lock()
        self._asking_anew = threading.Lock()
        self._prepared: set[str] = set()
        self._base = ""
        self._challenge: Challenge | None = None
        self.asks_late = False
        self._failure = ""
        self._kind: ErrorKind | None = None
        self._dated: tuple[float, str] | None = None  # our clock, and its
        self.round_trip: float | None = None

    def expect(self, login: FoundLogin, repositories: Iterable[str]) -> None:
        """Say which repositories will be read, so that one token serves several."""
        self._tokens.expect(login, repositories)

    def prepare_push(self, login: FoundLogin, repository: str) -> None:
        """Have connections stand for the blobs of an image, and a token where it will want one.

        The first pushes alone are prepared: later ones come when much is known and open.
        """
        if not self._prepared:
            self._transport.open_ahead(self._address, _OPENED_AHEAD)
        if len(self._prepared) < _OPENED_AHEAD and repository not in self._prepared:
            self._prepared.add(repository)
            work = partial(self._prepare, login, repository)
            with suppress(RuntimeError):  # no more threads: it is asked for when it is needed
                Thread(target=work, name="prepare-push", daemon=True).start()

    def _prepare(self, login: FoundLogin, repository: str) -> None:
        request = Request("POST", repository, "", actions=WRITE, body=b"")
        if isinstance(login, Credentials) and self._recall(request, login) and self._is_recalled:
            self._authorization(request, login)
            self._is_otherwise(self._way, request, login)

    def ask(self, request: Request, login: FoundLogin) -> Response | Inconclusive:
        """Ask; a registry that failed once is left alone from then on."""
        is_known = self._is_known or self._recall(request, login)
        answer = None if is_known else self._meet(request, login)
        # A write goes on where the registry is known: its faults are its own, and so are others'.
        may_go_on = request.is_write and bool(self._base)
        if self._failure and answer is None and not may_go_on:
            said = f"{self._failure}; {self._name} was left alone"
            return Inconclusive(said, kind=self._kind, was_left_alone=True)
        answer = answer or self._ask(request, login)
        is_own_fault = request.is_write or request.is_list
        if isinstance(answer, Inconclusive) and answer.ends_host and not is_own_fault:
            self._failure, self._kind = answer.reason, answer.kind
        return answer

    def refuses(self, login: Credentials, repository: str) -> bool:
        """Whether it takes name or password for wrong, whatever the repository.

        A 401 to Basic credentials says so (RFC 9110, section 15.5.2), and so does a token
        server's; one to a token may mean the repository alone.
        """
        answer = self.ask(Request("GET", repository, ""), login)
        if isinstance(answer, Inconclusive):
            return self._tokens.rejects(login)
        is_basic = self._challenge is not None and self._challenge.scheme == "basic"
        return is_basic and answer.status == 401

    def is_alive(self) -> bool:
        """Whether it says anything when it is asked who it is."""
        for scheme in self._schemes:
            try:
                self._transport.ask("GET", f"{scheme}://{self._address}/v2/", {}, limit=0)
            except HttpError:
                continue
            return True
        return False

    def danger(self, login: FoundLogin) -> str:
        """Why a program would send a login where we would not; empty where it would not.

        It goes by the challenge to "who are you?", as skopeo does.
        """
        if isinstance(login, NoCredentials):
            return ""
        ping = Request("GET", "", "")
        if not self._is_known:
            self._meet(ping, login)
        if not self._has_pinged and self._base:
            self._has_pinged = True
            with suppress(HttpError):
                answer = self._send(self._base, ping, "")
                self._learn(answer)
                self._is_led_elsewhere = _is_refused_elsewhere(answer)
        if self._is_led_elsewhere:
            return "another host, where it leads, asks for its login"
        challenge = self._challenge
        if challenge is None or challenge.scheme != "bearer":
            return ""
        if self._is_safe(challenge.realm):
            return ""
        return f"its token server {host_of(challenge.realm)} can't be trusted with a login"

    @property
    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self._transport.is_insecure(self._name) else ("https",)

    @property
    def skew(self) -> float | None:
        """Seconds that our clock is ahead of its; None where it sent no Date."""
        ours, date = self._dated or (0.0, "")
        theirs = moment_in(date)
        return None if theirs is None else ours - theirs

    @property
    def failure(self) -> str:
        """Why it is left alone in this run; empty where it isn't."""
        return self._failure

    @property
    def _is_known(self) -> bool:
        return bool(self._base or self._failure)

    def _meet(self, request: Request, login: FoundLogin) -> Response | Inconclusive | None:
        """Find the registry by a first request, while other threads wait; None: ask again.

        Whoever has a login asks who is there first, as skopeo does: some registries tell
        strangers that an image is not there, instead of asking who they are. Where plain
        HTTP is allowed it comes second, as with skopeo.
        """
        with self._meeting:
            if self._is_known:
                return None
            asks_who = _asks_who(request, login)
            found = self._find(Request("GET", request.repository, "") if asks_who else request)
            if isinstance(found, Inconclusive):
                self._failure, self._kind = found.reason, found.kind
                return found
            base, answer = found
            self._take(base, answer, asks_who=asks_who)
            is_answered = not asks_who and answer.status != 401
            return self._judge(answer) if is_answered else None

    def _take(self, base: str, answer: Response, *, asks_who: bool) -> None:
        """Take an answer to a question without a login for how the registry is asked."""
        if answer.status in OPEN:
            self._challenge = None
        self._learn(answer)
        if asks_who:
            self._has_pinged, self._is_led_elsewhere = True, _is_refused_elsewhere(answer)
        if base.startswith("https:"):
            self._past.keep(self._challenge, answer.status, has_login=asks_who)
        self._base = base  # last, since it lets the other threads go on

    def _recall(self, request: Request, login: FoundLogin) -> bool:
        """Go by what it wanted in an earlier run; whether it is known now.

        By TLS alone: over plain HTTP nothing is sent before it is clear that there is no other way.
        """
        known = self._past.recall(has_login=_asks_who(request, login))
        with self._meeting:
            if known and not self._is_known:
                self._challenge, self._is_recalled, self._is_unsure = known.challenge, True, True
                self._base = f"https://{self._address}"
            return self._is_known

    def _is_otherwise(self, used: _Way, request: Request, login: FoundLogin) -> bool:
        """Whether it wants something else than was gone by; it is asked, once in a run."""
        with self._asking_anew:
            if self._is_unsure:
                self._is_unsure = False
                asks_who = _asks_who(request, login)
                found = self._find(Request("GET", request.repository, "") if asks_who else request)
                if not isinstance(found, Inconclusive):
                    self._take(*found, asks_who=asks_who)
            return self._way != used

    def _is_doubtful(self, answer: Response | Inconclusive, login: FoundLogin) -> bool:
        """Whether an answer may be due to what was recalled."""
        if isinstance(answer, Inconclusive):
            return len(self._schemes) > 1 and answer.kind in _UNREACHED
        return isinstance(login, Credentials) and answer.status in _HIDDEN

    @property
    def _way(self) -> _Way:
        return self._base, self._challenge

    def _is_safe(self, realm: str) -> bool:
        return is_realm_safe(realm, self._transport.is_insecure)

    def _find(self, request: Request) -> tuple[str, Response] | Inconclusive:
        failures: list[HttpError] = []
        for scheme in self._schemes:
            base = f"{scheme}://{self._address}"
            try:
                return base, self._send(base, request, "")
            except HttpError as error:
                failures.append(error)
        return Inconclusive(failures[-1].message, ends_host=True, kind=failures[-1].kind)

    def _ask(self, request: Request, login: FoundLogin) -> Response | Inconclusive:
        """Ask under the login that the registry wants; once more where that has run out."""
        used = self._way
        is_shared = self._tokens.is_shared(login, request.repository)
        known = self._authorization(request, login)
        answer = known if isinstance(known, Inconclusive) else self._try(request, known)
        is_once = isinstance(request.body, BodyStream)  # its bytes are gone then
        if self._is_recalled and not is_once:
            is_doubtful = isinstance(known, Inconclusive) or self._is_doubtful(answer, login)
            if is_doubtful and self._is_otherwise(used, request, login):
                return self._ask(request, login)
        if isinstance(known, Inconclusive) or isinstance(answer, Inconclusive):
            return answer
        if answer.status == 200 and self._is_recalled:
            self._past.renew(self._challenge, has_login=_asks_who(request, login))
        if not _is_refused(answer, is_shared=is_shared):
            return answer
        self._learn(answer)
        is_new = self._challenge != used[1]
        if is_new and self._base.startswith("https:"):
            self._past.keep(self._challenge, 401, has_login=_asks_who(request, login))
        self.asks_late |= used[1] is None and is_new and not self._is_recalled
        if is_once:
            return answer
        is_fresh = bool(known) and not is_new
        fresh = self._authorization(request, login, is_fresh=is_fresh)
        if isinstance(fresh, Inconclusive) or fresh == known:
            return fresh if isinstance(fresh, Inconclusive) else answer
        again = self._try(request, fresh)
        if (
            is_fresh
            and is_shared
            and isinstance(again, Response)
            and not _is_refused(again, is_shared=True)
        ):
            self._tokens.give_up_sharing()
        return again

    def _authorization(
        self, request: Request, login: FoundLogin, *, is_fresh: bool = False
    ) -> str | Inconclusive:
        """The Authorization header's value; empty where the registry asks for none."""
        challenge = self._challenge
        if challenge is None:
            return ""
        if challenge.scheme == "basic":
            if isinstance(login, Credentials):
                return basic_authorization(login)
            return Inconclusive(f"{self._name} wants a login", kind=ErrorKind.UNAUTHORIZED)
        actions, repository = request.actions, request.repository
        has_to_wait = not is_fresh and not self._tokens.has(challenge, login, repository)
        opening = self._open_one() if has_to_wait and actions == READ else ()
        token = self._tokens.get(
            challenge,
            login,
            repository,
            actions=actions,
            origin=request.origin,
            is_fresh=is_fresh,
        )
        for one in opening:
            one.join(_OPENING)
        return token if isinstance(token, Inconclusive) else f"Bearer {token.text}"

    def _open_one(self) -> Iterable[Thread]:
        """Open the connection that a token will be used on while it is asked for."""
        is_tls = self._base.startswith("https:")
        return self._transport.open_ahead(self._address, 1) if is_tls else ()

    def _try(self, request: Request, authorization: str) -> Response | Inconclusive:
        try:
            answer = self._send(self._base, request, authorization)
        except HttpError as error:
            return Inconclusive(error.message, ends_host=True, kind=error.kind)
        return answer if request.is_write else self._judge(answer)

    def _send(self, base: str, request: Request, authorization: str) -> Response:
        login = {"Authorization": authorization} if authorization else {}
        url, headers = f"{base}{request.url_path}", {**request.headers, **login}
        if request.body is not None:
            return self._transport.write(request.method, url, headers, request.body)
        began = time.monotonic()
        try:
            answer = self._transport.follow(request.method, url, headers, limit=request.limit)
        except HttpError as error:
            if error.kind is ErrorKind.TIMEOUT:
                self._health.was_silent(self._name, since=began)
            raise
        self._health.answered(self._name)
        took = time.monotonic() - began
        self.round_trip = took if self.round_trip is None else min(self.round_trip, took)
        if date := answer.headers.get("date"):
            self._dated = self._transport.clock(), date
        return answer

    def _judge(self, answer: Response) -> Response | Inconclusive:
        """Whether the registry is well enough to be asked on."""
        if answer.status == 429 or answer.status >= 500:
            reason = f"{self._name} answered {answer.status}"
            kind = ErrorKind.RATE_LIMITED if is_over_limit(answer) else None
            return Inconclusive(reason, ends_host=True, kind=kind)
        return answer

    def _learn(self, answer: Response) -> None:
        if answer.status == 401:
            header = answer.headers.get("www-authenticate", "")
            self._challenge = usable_challenge(header) or self._challenge


def _asks_who(request: Request, login: FoundLogin) -> bool:
    """Whether the first question is who is there, and not what is wanted."""
    return not isinstance(login, NoCredentials) or request.is_write


def _is_refused_elsewhere(answer: Response) -> bool:
    return answer.status == 401 and answer.is_elsewhere


def _is_refused(answer: Response, *, is_shared: bool) -> bool:
    """Whether another login may help: a token for many may be refused where one's own is not."""
    return answer.status == 401 or (answer.status == 403 and is_shared)
