"""One registry: its address, how it wants a client to log in, and whether it has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.config.authfile import Credentials, FoundLogin, NoCredentials
from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.oci.manifest import LARGEST, MANIFEST_TYPES
from orchestrator.oci.reference import DOCKER_HUB, DOCKER_HUB_SERVER
from orchestrator.registry.challenge import (
    Challenge,
    basic_authorization,
    is_realm_safe,
    usable_challenge,
)
from orchestrator.registry.health import HostHealth
from orchestrator.registry.pull_limit import is_over_limit
from orchestrator.registry.responses import Inconclusive, moment_in
from orchestrator.registry.tokens import Tokens
from orchestrator.registry.transport import Transport
from orchestrator.system.body import BodyStream
from orchestrator.system.http import HttpError, Response

_SERVED_AT: Mapping[str, str] = {DOCKER_HUB: DOCKER_HUB_SERVER}
_OPENED_AHEAD = 16
"""Connections for the blobs of one image, which are all asked for at once; few images have more."""

_ACCEPT: Mapping[str, str] = {"Accept": ", ".join(MANIFEST_TYPES)}
"""All four always: a registry converts, or hides, what a client doesn't say it takes."""


@dataclass(frozen=True)
class Request:
    """One HTTP request to a registry, without the login.

    Attributes:
        path: Below the repository, as `manifests/latest`; empty for "who are you?".
        limit: Bytes of the answer that are read; None leaves the body of a good answer open.
        actions: What the login has to allow, with commas between.
        body: What is written there; None where nothing is.
        content_type: The body's.
        range: The part that is asked for, as the header `Range` has it; empty for all.
    """

    method: str
    repository: str
    path: str
    limit: int | None = LARGEST
    actions: str = "pull"
    body: bytes | BodyStream | None = None
    content_type: str = ""
    range: str = ""

    @property
    def url_path(self) -> str:
        """The path below the registry's address; one that begins with a slash is whole."""
        if self.path.startswith("/"):
            return self.path
        return f"/v2/{self.repository}/{self.path}" if self.path else "/v2/"

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes along, but for the login."""
        if self.content_type:
            return {"Content-Type": self.content_type}
        is_of_manifests = self.path.startswith("manifests/") or "/referrers/" in self.path
        accepted = _ACCEPT if is_of_manifests else {}
        return {**accepted, "Range": self.range} if self.range else accepted

    @property
    def is_list(self) -> bool:
        """Whether it asks for a list, of tags or of what refers to a digest.

        A registry that fails with one may well have all its images.
        """
        return "/referrers/" in self.path or "/tags/list" in self.path

    @property
    def is_write(self) -> bool:
        """Whether it brings something: then a fault is its own, and no reason to ask no more."""
        return self.body is not None


class RegistryHost:
    """One registry; any number of threads may ask.

    Attributes:
        round_trip: Seconds that its fastest answer took; None before there was one.
        asks_late: Whether it asked for a login only when something was asked of it. skopeo gives
            none then, as it goes by the answer to "who are you?" alone.
    """

    def __init__(self, name: str, transport: Transport, health: HostHealth | None = None) -> None:
        self._name = name
        self._transport = transport
        self._health = health or HostHealth()
        self._has_pinged = False
        self._is_led_elsewhere = False
        self._tokens = Tokens(transport)
        self._meeting = threading.Lock()
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

    def open_ahead(self) -> None:
        """Have connections stand for what will be asked at once."""
        self._transport.open_ahead(_SERVED_AT.get(self._name, self._name), _OPENED_AHEAD)

    def ask(self, request: Request, login: FoundLogin) -> Response | Inconclusive:
        """Ask; a registry that failed once is left alone from then on."""
        answer = None if self._is_known else self._meet(request, login)
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
        host = _SERVED_AT.get(self._name, self._name)
        for scheme in self._schemes:
            try:
                self._transport.ask("GET", f"{scheme}://{host}/v2/", {}, limit=0)
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
        if is_realm_safe(challenge.realm, self._transport.is_insecure):
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
            asks_who = not isinstance(login, NoCredentials) or request.is_write
            first = Request("GET", request.repository, "") if asks_who else request
            found = self._find(first)
            if isinstance(found, Inconclusive):
                self._failure, self._kind = found.reason, found.kind
                return found
            base, answer = found
            self._learn(answer)
            if asks_who:
                self._has_pinged, self._is_led_elsewhere = True, _is_refused_elsewhere(answer)
            self._base = base  # last, since it lets the other threads go on
            is_answered = not asks_who and answer.status != 401
            return self._judge(answer) if is_answered else None

    def _find(self, request: Request) -> tuple[str, Response] | Inconclusive:
        host = _SERVED_AT.get(self._name, self._name)
        failures: list[HttpError] = []
        for scheme in self._schemes:
            base = f"{scheme}://{host}"
            try:
                return base, self._send(base, request, "")
            except HttpError as error:
                failures.append(error)
        return Inconclusive(failures[-1].message, ends_host=True, kind=failures[-1].kind)

    def _ask(self, request: Request, login: FoundLogin) -> Response | Inconclusive:
        """Ask under the login that the registry wants; once more where that has run out."""
        is_shared = self._tokens.is_shared(login, request.repository)
        known = self._authorization(request, login)
        if isinstance(known, Inconclusive):
            return known
        answer = self._try(request, known)
        if isinstance(answer, Inconclusive) or not _is_refused(answer, is_shared=is_shared):
            return answer
        had_none = self._challenge is None
        self._learn(answer)
        self.asks_late = self.asks_late or (had_none and self._challenge is not None)
        if isinstance(request.body, BodyStream):
            return answer  # its bytes are gone
        fresh = self._authorization(request, login, is_fresh=bool(known))
        if isinstance(fresh, Inconclusive) or fresh == known:
            return fresh if isinstance(fresh, Inconclusive) else answer
        again = self._try(request, fresh)
        if (
            known
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
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            if isinstance(login, Credentials):
                return basic_authorization(login)
            return Inconclusive(f"{self._name} wants a login", kind=ErrorKind.UNAUTHORIZED)
        token = self._tokens.get(
            self._challenge,
            login,
            request.repository,
            actions=request.actions,
            is_fresh=is_fresh,
        )
        return token if isinstance(token, Inconclusive) else f"Bearer {token.text}"

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


def _is_refused_elsewhere(answer: Response) -> bool:
    return answer.status == 401 and answer.is_elsewhere


def _is_refused(answer: Response, *, is_shared: bool) -> bool:
    """Whether another login may help: a token for many may be refused where one's own is not."""
    return answer.status == 401 or (answer.status == 403 and is_shared)
