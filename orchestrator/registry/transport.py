"""HTTP requests to registries: TLS or plain HTTP as the user allows, redirects without the login.

Registries send their clients on to other hosts: for blobs to a store, and some
(registry.k8s.io) for manifests to a registry nearby. A login never goes along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TypeAlias
from urllib.parse import urlsplit

from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.oci.manifest import LARGEST, MANIFEST_TYPES
from orchestrator.oci.reference import DOCKER_HUB, DOCKER_HUB_SERVER
from orchestrator.system.body import BodyStream
from orchestrator.system.concurrency import RequestRate
from orchestrator.system.http import HttpClient, HttpError, Response, location_of

_LONGEST_CHAIN = 4


RateOf: TypeAlias = "Callable[[str], RequestRate | None]"


def unlimited(host: str) -> None:
    """For those who set no limit."""
    del host


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
        origin: The repository that a blob is mounted from, which has to be read; empty for none.
    """

    method: str
    repository: str
    path: str
    limit: int | None = LARGEST
    actions: str = "pull"
    body: bytes | BodyStream | None = None
    content_type: str = ""
    range: str = ""
    origin: str = ""

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


def rates_of(rates: Mapping[str, float], pause: Callable[[float], object]) -> RateOf:
    """So many requests a second to the hosts that these registries are, whoever sends them.

    Args:
        rates: Requests a second, by the registry, or by the token server's host.
        pause: Waits so many seconds, or less where nothing is to be asked any more.
    """
    served = {DOCKER_HUB: DOCKER_HUB_SERVER}
    gates = {served.get(name, name): RequestRate(rate, pause) for name, rate in rates.items()}
    return gates.get


@dataclass(frozen=True)
class Transport:
    """Sends requests to registries and token servers.

    Attributes:
        is_insecure: Whether plain HTTP or unverified TLS will do for a host.
        ca_of: The PEM file of the authority of a host, where it has its own.
        clock: Seconds since the epoch.
        rate_of: How many requests a second a host may be sent; None is as many as there are.
    """

    http: HttpClient
    is_insecure: Callable[[str], bool]
    ca_of: Callable[[str], Path | None]
    clock: Callable[[], float]
    rate_of: RateOf = unlimited

    def limited(self, rate_of: RateOf) -> Transport:
        """The same, with so many requests a second."""
        return replace(self, rate_of=rate_of)

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], *, limit: int | None
    ) -> Response:
        """Send a request once; a redirect is an answer.

        Raises:
            HttpError: There was no answer.
        """
        host = host_of(url)
        self._wait(host)
        verify = self._verify(host)
        return self.http.request(method, url, headers=headers, limit=limit, verify=verify)

    def write(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | BodyStream
    ) -> Response:
        """Send a request with a body; a redirect is an answer.

        What is brought whole names its own digest, or begins an upload, so that it may be
        brought twice where a kept connection broke; a stream can't be, nor may the bare PUT that
        ends an upload: where only its answer was lost, the second one is told of a wrong digest.

        Raises:
            HttpError: There was no answer.
        """
        host = host_of(url)
        verify = self._verify(host)

        def bring() -> Response:
            self._wait(host)
            return self.http.request(method, url, headers=headers, body=body, verify=verify)

        try:
            return bring()
        except HttpError as error:
            is_an_end = method == "PUT" and not body
            is_once = isinstance(body, BodyStream) or is_an_end
            if error.kind is not ErrorKind.UNREACHABLE or is_once:
                raise
        return bring()

    def follow(
        self, method: str, url: str, headers: Mapping[str, str], *, limit: int | None
    ) -> Response:
        """Send a request, and follow redirects as far as it is safe.

        Where the body is left to be read (`limit` is None), a redirect to another host is the
        answer, its `location` whole: whoever asked may go there without us.

        Another host's challenge is left out: the login is not for it. A connection that was
        kept may have been closed by the other end in that very instant, so one that breaks
        is made anew, once.

        Raises:
            HttpError: There was no answer.
        """
        start = url
        answer = self._ask_twice(method, url, headers, limit)
        for _ in range(_LONGEST_CHAIN):
            there = self._next(url, answer)
            if not there:
                break
            if limit is None and _origin(there) != _origin(start):
                return replace(answer, headers={"location": there}, is_elsewhere=True)
            if _origin(there) != _origin(start):
                headers = _without(headers, "Authorization")
            url = there
            answer = self._ask_twice(method, url, headers, limit)
        if url == start or _origin(url) == _origin(start):
            return answer
        headers = _without(answer.headers, "www-authenticate")
        return replace(answer, headers=headers, is_elsewhere=True)

    def open_ahead(self, host: str, number: int) -> list[Thread]:
        """Open connections by threads, so that what is asked at once need not wait for them."""
        return self.http.open_ahead(f"https://{host}", number, verify=self._verify(host))

    def _verify(self, host: str) -> bool | Path:
        return False if self.is_insecure(host) else self.ca_of(host) or True

    def _wait(self, host: str) -> None:
        rate = self.rate_of(host)
        if rate is not None:
            rate.wait()

    def _ask_twice(
        self, method: str, url: str, headers: Mapping[str, str], limit: int | None
    ) -> Response:
        try:
            return self.ask(method, url, headers, limit=limit)
        except HttpError as error:
            if error.kind is not ErrorKind.UNREACHABLE:
                raise
        return self.ask(method, url, headers, limit=limit)

    def _next(self, url: str, answer: Response) -> str:
        """Where an answer leads; empty where it doesn't, or to where we would not go."""
        there = location_of(url, answer)
        if not there:
            return ""
        parts = urlsplit(there)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and self.is_insecure(parts.netloc)
        )
        return there if is_safe and "@" not in parts.netloc else ""


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}
