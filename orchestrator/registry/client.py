"""A client for the API of registries (OCI distribution specification 1.1), without skopeo.

It can prove that nothing is to be done, and no more: what it can't settle is `Inconclusive`, and
goes to skopeo. A HEAD does not count against Docker Hub's pull limit, a GET does. Source:
OCI distribution specification 1.1, "Pulling".
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from orchestrator.config.authfile import (
    Credentials,
    FoundLogin,
    NeedsHelper,
    NoCredentials,
    credentials_for,
    parse_authfile,
)
from orchestrator.config.registries_conf import RegistriesConf, read_registries_conf, usual_paths
from orchestrator.config.settings import Settings
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.manifest import LARGEST, LARGEST_LIST, OCI_INDEX, Descriptor
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.challenge import ChallengeMemory, NoChallenges
from orchestrator.registry.health import HostHealth
from orchestrator.registry.host import RegistryHost
from orchestrator.registry.pull_limit import PullLimit, pull_limit_in
from orchestrator.registry.responses import (
    Inconclusive,
    NotFound,
    PushAllowed,
    WriteRefused,
    blob_in,
    digest_in,
    has_blob_in,
    manifest_in,
    moment_in,
    next_page_in,
    push_right_in,
    referrers_in,
    tags_in,
    upload_in,
    written_in,
)
from orchestrator.registry.tokens import WRITE
from orchestrator.registry.transport import RateOf, Request, Transport, rates_of
from orchestrator.system.http import DEADLINE, HttpClient, Response

_MOST_PAGES = 1000
_TAGS_OF_A_PAGE = 1000
"""As many as registries hand out at once; some hand out fewer, whatever they are asked for."""
_DELETE = "pull,push,delete"
_NOWHERE = digest_of(b"a blob that no registry has, since nobody pushes these very words")

_log = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 10.0
"""Seconds; what can't be had by HTTP soon, skopeo asks for with more patience."""


def http_of(settings: Settings, *, connections: int, longest: float = DEADLINE) -> HttpClient:
    """The connections that registries are asked over.

    Args:
        settings: The user's patience bounds ours.
        connections: At most so many to one registry.
        longest: Seconds that an answer may take.
    """
    return HttpClient(
        connections,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=min(_READ_TIMEOUT, settings.stall_timeout, longest),
        deadline=longest,
    )


def client_of(settings: Settings, http: HttpClient, logins: bytes) -> RegistryClient:
    """A client that reaches registries as the settings say.

    Args:
        settings: Which hosts are insecure, or have an authority of their own.
        http: From `http_of`.
        logins: The run's own authfile.

    Raises:
        ConfigurationError: The logins can't be read.
    """
    client = RegistryClient(
        http,
        logins,
        is_insecure=cache(settings.is_insecure),
        ca_of=cache(settings.ca_of),
        conf=read_registries_conf(usual_paths(settings.tool_environ)),
    )
    client.limit(rates_of(settings.request_rates, http.pause))
    return client


class RegistryClient:
    """Asks registries over pooled HTTP; any number of threads may use it at once."""

    def __init__(
        self,
        http: HttpClient,
        authfile: bytes,
        *,
        is_insecure: Callable[[str], bool],
        ca_of: Callable[[str], Path | None],
        conf: RegistriesConf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask nothing yet.

        Args:
            http: Connections; their number for one host bounds what is asked at once.
            authfile: The run's own document of logins.
            is_insecure: Whether plain HTTP or unverified TLS will do for a host.
            ca_of: The PEM file of the authority of a host, where it has its own.
            conf: What skopeo is led elsewhere by.
            clock: Seconds since the epoch.

        Raises:
            ConfigurationError: The document of logins can't be read.
        """
        self._transport = Transport(http, is_insecure, ca_of, clock)
        self._logins = (parse_authfile(authfile, origin="the run's authfile"),)
        self._conf = conf
        self._health = HostHealth()
        self._memory: ChallengeMemory = NoChallenges()
        self._hosts: dict[str, RegistryHost] = {}
        self._shown_since: dict[Reference, str] = {}
        self._lock = threading.Lock()
        self._pull_limit: PullLimit | None = None

    def limit(self, rate_of: RateOf) -> None:
        """Bound the requests a second that hosts are sent, before any is."""
        self._transport = self._transport.limited(rate_of)

    def share(self, health: HostHealth, memory: ChallengeMemory) -> None:
        """Share who answers with the run, and how hosts want a login with later runs.

        A host is asked for a sign of life before it is given up.
        """
        self._health, self._memory = health, memory
        health.ask_last_by(lambda registry: self._host(registry).is_alive())

    def expect(self, references: Iterable[Reference]) -> None:
        """Say what will be asked about, so that one token serves several repositories."""
        expected: dict[tuple[str, FoundLogin], list[str]] = {}
        for reference in references:
            login = credentials_for(self._logins, reference.registry, reference.repository)
            expected.setdefault((reference.registry, login), []).append(reference.repository)
        for (registry, login), repositories in expected.items():
            self._host(registry).expect(login, repositories)

    def prepare_pushes(self, destinations: Iterable[Reference]) -> None:
        """Have what a push waits for made ready, beside the first questions."""
        for there in destinations:
            login = credentials_for(self._logins, there.registry, there.repository)
            self._host(there.registry).prepare_push(login, there.repository)

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        """The digest of what a reference names, without reading it."""
        answer = self._ask("HEAD", reference, _manifest_path(reference))
        if isinstance(answer, Inconclusive):
            return answer
        if since := answer.headers.get("last-modified"):
            self._shown_since[reference] = since
        return digest_in(answer, reference)

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        """A manifest or an index, its digest checked. Docker Hub counts it as a pull."""
        answer = self._ask("GET", reference, _manifest_path(reference))
        return answer if isinstance(answer, Inconclusive) else manifest_in(answer, reference)

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        """A small blob, such as a config, its size and digest checked.

        Args:
            repository: Any reference into the repository that holds it.
            blob: As its manifest describes it.
        """
        if blob.size > LARGEST:
            return Inconclusive(f"{repository.registry} has a config of {blob.size} bytes")
        answer = self._ask("GET", repository, f"blobs/{blob.digest}", limit=blob.size)
        if isinstance(answer, Inconclusive):
            return answer
        return blob_in(answer, blob, registry=repository.registry)

    def has_blob(self, repository: Reference, digest: Digest) -> bool | Inconclusive:
        """Whether a repository has a blob.

        Args:
            repository: Any reference into it.
            digest: The blob's.
        """
        answer = self._ask("HEAD", repository, f"blobs/{digest}")
        if isinstance(answer, Inconclusive):
            return answer
        return has_blob_in(answer, registry=repository.registry)

    def referrers(self, reference: Reference) -> tuple[bytes, ...] | NotFound | Inconclusive:
        """What refers to a digest: indexes, one a page; absent where the registry has no such API.

        A list of which one page can't be had is not known at all.
        """
        first = f"/v2/{reference.repository}/referrers/{reference.digest}"
        pages: list[bytes] = []
        path: str | None = first
        while path:
            if len(pages) == _MOST_PAGES:
                return Inconclusive(f"{reference.registry} has too many pages of referrers")
            room = LARGEST_LIST - sum(map(len, pages))
            answer = self._ask("GET", reference, path, limit=room)
            if isinstance(answer, Inconclusive):
                return answer
            page = referrers_in(answer, reference)
            if isinstance(page, NotFound) and pages:
                missing = f"{reference.registry} lacks a page of its referrers"
                return Inconclusive(missing, kind=ErrorKind.BAD_MANIFEST)
            if not isinstance(page, bytes):
                return page
            pages.append(page)
            path = next_page_in(answer, path=first)
        if path is None:
            lost = f"{reference.registry} names a next page of referrers that is none"
            return Inconclusive(lost, kind=ErrorKind.BAD_MANIFEST)
        return tuple(pages)

    def tags(self, reference: Reference) -> tuple[str, ...] | NotFound | Inconclusive:
        """All tags of a repository, page by page; Docker Hub does not count that."""
        first = f"/v2/{reference.repository}/tags/list"
        path: str | None = f"{first}?n={_TAGS_OF_A_PAGE}"
        tags: list[str] = []
        asked: set[str] = set()
        while path and path not in asked and len(asked) < _MOST_PAGES:
            asked.add(path)
            answer = self._ask("GET", reference, path)
            if isinstance(answer, Inconclusive):
                return answer
            page = tags_in(answer, reference)
            if not isinstance(page, tuple):
                return page
            tags += page
            path = next_page_in(answer, path=first)
        if path or path is None:
            return Inconclusive(f"{reference.registry} lists the tags without an end")
        return tuple(tags)

    def shown_since(self, reference: Reference) -> float | None:
        """Since when a registry has shown what the last HEAD told of, if it said so.

        In seconds since the epoch, by its Last-Modified.
        """
        return moment_in(self._shown_since.get(reference, ""))

    def put_index(self, raw: bytes, destination: Reference) -> None | WriteRefused | Inconclusive:
        """Write an index whose children are there already: None where it was taken.

        The one thing that is ever written by HTTP, since skopeo can't (skopeo#2778).
        """
        put = Request(
            "PUT",
            destination.repository,
            _manifest_path(destination),
            actions=WRITE,
            body=raw,
            content_type=OCI_INDEX,
        )
        answer = self.send(put, destination)
        if isinstance(answer, Inconclusive):
            return WriteRefused(f"connection lost: {answer.reason}") if answer.ends_host else answer
        return written_in(answer)

    def refuses_login(self, reference: Reference) -> bool:
        """Whether the registry takes the login that there is for a reference for wrong."""
        login = credentials_for(self._logins, reference.registry, reference.repository)
        if self._conf.reason_against(reference) or not isinstance(login, Credentials):
            return False
        return self._host(reference.registry).refuses(login, reference.repository)

    def reason_against(self, reference: Reference) -> str:
        """Why nothing can be asked for a reference over HTTP; empty where it can."""
        if reason := self._conf.reason_against(reference):
            return reason
        login = credentials_for(self._logins, reference.registry, reference.repository)
        if isinstance(login, NeedsHelper):
            return login.reason
        # skopeo may get through where we don't: by a SOCKS proxy, or by authorities in certs.d.
        return self._host(reference.registry).failure

    def push_right(
        self, reference: Reference, *, by_skopeo: bool = False
    ) -> PushAllowed | Inconclusive:
        """Whether a login may write to a repository: an upload is begun, and called off at once.

        Nothing is sent but the requests. To call an upload off is a deletion to some token
        servers, and a few registries know no way to; these forget it by themselves, as it got no
        byte.

        Args:
            reference: Where it would go.
            by_skopeo: Whether skopeo is to push there itself. It looks for a blob first, so that
                a login that may write and not read gets no further.
        """
        if by_skopeo:
            looked = self._ask("HEAD", reference, f"blobs/{_NOWHERE}", actions=WRITE)
            if isinstance(looked, Inconclusive) or looked.status in (401, 403):
                return push_right_in(looked, registry=reference.registry)
        answer = self._ask("POST", reference, "blobs/uploads/", actions=WRITE)
        right = push_right_in(answer, registry=reference.registry)
        if isinstance(answer, Inconclusive) or isinstance(right, Inconclusive):
            return right
        if by_skopeo and self._host(reference.registry).asks_late:
            return Inconclusive(f"{reference.registry} asks for a login only when it is pushed to")
        upload = upload_in(answer, repository=reference.repository)
        if not upload:
            is_told = bool(answer.headers.get("location"))
            lost = Inconclusive(f"{reference.registry} does not say where an upload goes")
            return PushAllowed(is_cleared=False) if is_told else lost
        end = Request("DELETE", reference.repository, upload, actions=_DELETE)
        ended = self.send(end, reference)
        return PushAllowed(
            is_cleared=isinstance(ended, Response) and ended.status in (200, 202, 204)
        )

    def check_login(self, reference: Reference) -> None:
        """Before a program logs in: would the login go where we would not send it?

        Raises:
            ImageError: It would.
        """
        login = credentials_for(self._logins, reference.registry, reference.repository)
        if isinstance(login, NoCredentials) or self._conf.reason_against(reference):
            return
        if reason := self._host(reference.registry).danger(login):
            raise ImageError(
                ErrorKind.DENIED,
                f"{reference.familiar}: {reference.registry} gets no login: {reason}",
                hint="where that is meant, name the other host in INSECURE_REGISTRIES; or give "
                "no login for this one",
                registry=reference.registry,
            )

    def round_trips(self) -> Mapping[str, float]:
        """Seconds to each registry and back, at its fastest; 0 before it was asked."""
        return {name: one.round_trip or 0.0 for name, one in tuple(self._hosts.items())}

    def clock_skew(self) -> float | None:
        """Seconds that our clock is ahead of the registry's that agrees best with it."""
        skews = [host.skew for host in self._hosts.values() if host.skew is not None]
        return min(skews, key=abs, default=None)

    def pull_limit(self) -> PullLimit | None:
        """What Docker Hub first said of its pull limit; None where it names none."""
        return self._pull_limit

    def _ask(
        self,
        method: str,
        reference: Reference,
        path: str,
        *,
        limit: int = LARGEST,
        actions: str = "pull",
    ) -> Response | Inconclusive:
        return self.send(Request(method, reference.repository, path, limit, actions), reference)

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Send a request as it is, under the login for a reference; any answer is an answer."""
        if reason := self._conf.reason_against(reference):
            return Inconclusive(f"{reference.familiar}: {reason}")
        login = credentials_for(self._logins, reference.registry, reference.repository)
        if isinstance(login, NeedsHelper):
            return Inconclusive(f"{reference.registry}: {login.reason}")
        answer = self._host(reference.registry).ask(request, login)
        said = answer.reason if isinstance(answer, Inconclusive) else answer.status
        path = request.path.partition("?")[0]  # what follows may open an upload
        _log.debug("%s %s of %s: %s", request.method, path, reference.name, said)
        if reference.is_docker_hub and self._pull_limit is None and isinstance(answer, Response):
            self._pull_limit = pull_limit_in(answer)
        return answer

    def _host(self, registry: str) -> RegistryHost:
        with self._lock:
            if registry not in self._hosts:
                found = RegistryHost(registry, self._transport, self._health, self._memory)
                self._hosts[registry] = found
            return self._hosts[registry]


def _manifest_path(reference: Reference) -> str:
    return f"manifests/{reference.digest or reference.tag}"
