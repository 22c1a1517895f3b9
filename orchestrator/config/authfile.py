"""Logins to registries, as skopeo and docker keep them, by skopeo's rules.

Sources: containers-auth.json(5), and what skopeo 1.9.3 was seen to do: a credential
helper comes before any key, then `host/namespace/…` from the longest key to the shortest,
then the host's other spellings; Docker's `credsStore` is not looked at.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from orchestrator.config.settings import Login, Settings
from orchestrator.config.targets import ALIYUN_HOSTS, Target
from orchestrator.errors import ConfigurationError
from orchestrator.oci.json_text import Json
from orchestrator.oci.reference import registry_of


def run_logins(settings: Settings, targets: tuple[Target, ...]) -> bytes:
    """The run's authfile: the user's own logins, with ours on top."""
    ours = [
        Login(target.base, target.username, target.password)
        for target in targets
        if target.username
    ]
    return merged(_user_documents(settings), [*ours, *settings.logins])


def usual_authfiles(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where skopeo looks for logins, in its order (containers-auth.json(5))."""
    if environ.get("REGISTRY_AUTH_FILE"):
        yield Path(environ["REGISTRY_AUTH_FILE"])
        return
    home = environ.get("HOME")
    runtime = environ.get("XDG_RUNTIME_DIR")
    yield Path(
        f"{runtime}/containers" if runtime else f"/run/containers/{os.getuid()}", "auth.json"
    )
    config_home = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    if config_home:
        yield Path(config_home) / "containers" / "auth.json"
    docker = environ.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    if docker:
        yield Path(docker) / "config.json"


_JOB_TOKEN = "ghs_"  # noqa: S105  (how GitHub's tokens of one job begin, not one of them)


def sealing_logins(settings: Settings, document: bytes) -> tuple[Login, ...]:
    """The logins that last, those to the targets first: what a run remembers is sealed with them.

    GitHub gives each job a token of its own, with which no later run could open a seal.

    Args:
        settings: All targets count, so that runs to some of them share what they know.
        document: The run's authfile.
    """
    merged_logins = (parse_authfile(document, origin="the run's authfile"),)
    found = list(settings.logins)
    for target in reversed(settings.usable_targets.values()):
        login: FoundLogin = Credentials(target.username, target.password)
        if not target.password:
            login = credentials_for(merged_logins, target.registry, target.namespace)
        if isinstance(login, Credentials):
            found.insert(0, Login(target.registry, login.username, login.password))
    return tuple(one for one in found if not one.password.startswith(_JOB_TOKEN))


def ready_targets(settings: Settings, names: Iterable[str]) -> dict[str, Target]:
    """The targets of these names; where nobody may push without a login, there is one.

    Raises:
        ConfigurationError: One is not there, or some lack what they need: all is named at once.
    """
    files = tuple(_user_documents(settings))

    def has_login(target: Target) -> bool:
        if any(file.store for file in files):
            return True
        if not target.registry:
            hosts = (host for file in files for host in (*file.auths, *file.helpers))
            return any(host.partition("/")[0].endswith(ALIYUN_HOSTS) for host in hosts)
        found = credentials_for(files, target.registry, target.namespace)
        return not isinstance(found, NoCredentials)

    return settings.complete_targets(names, has_login=has_login)


def _user_documents(settings: Settings) -> Iterator[Authfile]:
    for path in settings.user_authfiles:
        if _is_readable(path):
            yield parse_authfile(path.read_bytes(), origin=str(path))


def _is_readable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:  # a folder on the way there may not be entered: skopeo finds nothing, either
        return False


@dataclass(frozen=True)
class Credentials:
    """A name and a password for one repository."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class NoCredentials:
    """No login: the registry is asked anonymously."""


@dataclass(frozen=True)
class NeedsHelper:
    """There is a login, but not one that can be read from the file.

    Attributes:
        reason: What stands in the way, to follow a host's name.
    """

    reason: str


FoundLogin: TypeAlias = Credentials | NoCredentials | NeedsHelper


@dataclass(frozen=True)
class AuthEntry:
    """One of a document's `auths`: base64 of `username:password`, or a token for OAuth2."""

    auth: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, login: Login) -> AuthEntry:
        """The entry for a name and a password."""
        pair = f"{login.username}:{login.password}"
        return cls(base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode("ascii"))

    def read(self) -> FoundLogin:
        """The login, where it can be used as it stands."""
        try:
            pair = base64.b64decode(self.auth, validate=True).decode("utf-8", "surrogateescape")
        except ValueError:
            return NeedsHelper("its login in the authfile is not base64")
        username, colon, password = pair.partition(":")
        if not colon:
            return NoCredentials()
        if self.identity_token:
            return NeedsHelper("its login is an identity token")
        return Credentials(username, password.strip("\0"))


@dataclass(frozen=True)
class Authfile:
    """One document: logins by key, and the helpers that hold others by host."""

    auths: Mapping[str, AuthEntry] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""


def parse_authfile(raw: bytes, *, origin: str) -> Authfile:
    """Read a document; what skopeo doesn't look at is left out.

    Raises:
        ConfigurationError: It is no such document; skopeo would refuse it too.
    """
    try:
        document = _object(json.loads(raw))
        return Authfile(
            {key: _entry(value) for key, value in _object(document.get("auths")).items()},
            {host: _text(name) for host, name in _object(document.get("credHelpers")).items()},
            _text(document.get("credsStore")),
        )
    except (TypeError, ValueError, RecursionError):
        hint = f"mend it, or remove it and log in anew: skopeo login --authfile {origin} REGISTRY"
        raise ConfigurationError(f"{origin} is not a file of logins", hint=hint) from None


def credentials_for(documents: Iterable[Authfile], registry: str, repository: str) -> FoundLogin:
    """The login that skopeo would use for a repository.

    Args:
        documents: The strongest first; one that knows nothing leaves the word to the next.
        registry: Host, with its port if it has one.
        repository: Path below the registry.
    """
    for document in documents:
        helper = document.helpers.get(registry)
        if helper is not None:
            return NeedsHelper(f"its login is kept by docker-credential-{helper}")
        entry = _entry_for(document.auths, registry, repository)
        found = entry.read() if entry else NoCredentials()
        if not isinstance(found, NoCredentials):
            return found
    return NoCredentials()


def has_login(raw: bytes, registry: str, repository: str) -> bool:
    """Whether a document has a login for a repository, kept by a helper or not.

    Args:
        raw: The run's own document.
        registry: Host, with its port if it has one.
        repository: Path below the registry.
    """
    document = parse_authfile(raw, origin="the run's authfile")
    if document.store:
        return True
    found = credentials_for((document,), registry, repository)
    return not isinstance(found, NoCredentials)


def merged(documents: Iterable[Authfile], logins: Iterable[Login]) -> bytes:
    """The run's own document: the user's, with our logins on top.

    A key counts for all below it, so whatever a stronger document says, nothing of a weaker
    one stands at or below it. A helper speaks for a whole host and before every key; it goes
    where a stronger document knows that host.

    Args:
        documents: The strongest first.
        logins: Each for the `host` or `host/namespace` that it names as its registry, the
            strongest first. A host that nobody else has a login for gets it as a whole, so
            that a source in the target's registry is read under the same name.
    """
    ours = tuple(logins)
    auths = {_login_key(login): AuthEntry.of(login) for login in reversed(ours)}
    helpers, store = dict[str, str](), ""
    for document in documents:
        taken = (*auths, *helpers)
        helpers |= {
            host: helper for host, helper in document.helpers.items() if not _knows(taken, host)
        }
        auths |= {key: entry for key, entry in _entries(document) if not _covers(taken, key)}
        store = store or document.store
    for login in ours:
        auths.setdefault(_host(_login_key(login)), AuthEntry.of(login))
    return _document(auths, helpers, store)


def without(raw: bytes, registries: Iterable[str]) -> bytes:
    """A document of `merged` that knows nothing of these registries.

    Args:
        raw: The document.
        registries: Hosts, with their ports if they have one.
    """
    document = parse_authfile(raw, origin="the run's authfile")
    hosts = frozenset(map(_canonical, registries))
    auths = {key: entry for key, entry in document.auths.items() if _host(key) not in hosts}
    helpers = {key: name for key, name in document.helpers.items() if _canonical(key) not in hosts}
    return _document(auths, helpers, document.store)


def secrets_in(raw: bytes) -> Iterator[str]:
    """Whatever in a document must not be shown: as it stands there, and as it is meant."""
    for entry in parse_authfile(raw, origin="the run's authfile").auths.values():
        yield from (entry.auth, entry.identity_token)
        login = entry.read()
        if isinstance(login, Credentials):
            yield login.password


def _document(auths: Mapping[str, AuthEntry], helpers: Mapping[str, str], store: str) -> bytes:
    parts: dict[str, Json] = {"auths": {key: _as_json(entry) for key, entry in auths.items()}}
    if helpers:
        parts["credHelpers"] = dict(helpers)
    if store:
        parts["credsStore"] = store
    return json.dumps(parts, indent=1).encode()


def _as_json(entry: AuthEntry) -> dict[str, Json]:
    token: dict[str, Json] = {"identitytoken": entry.identity_token} if entry.identity_token else {}
    return {"auth": entry.auth, **token}


def _entry_for(auths: Mapping[str, AuthEntry], registry: str, repository: str) -> AuthEntry | None:
    for key in _keys(f"{registry}/{repository}"):
        if key in auths:
            return auths[key]
    host = _canonical(registry)
    return next((entry for key, entry in auths.items() if _canonical(key) == host), None)


def _keys(name: str) -> Iterator[str]:
    """A repository's name, and all that stands above it, up to the host."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _entries(document: Authfile) -> Iterator[tuple[str, AuthEntry]]:
    """The entries that say something, under one spelling each; an exact key comes first."""
    exact = sorted(document.auths.items(), key=lambda pair: pair[0] != _canonical(pair[0]))
    seen = set[str]()
    for key, entry in exact:
        if _canonical(key) not in seen and entry.auth:
            seen.add(_canonical(key))
            yield _canonical(key), entry


def _canonical(key: str) -> str:
    """One spelling for a host: URLs lose scheme and path, Docker Hub has one name."""
    bare = key.removeprefix("http://").removeprefix("https://")
    if bare != key:
        bare = _host(bare)
    return registry_of(bare)


def _login_key(login: Login) -> str:
    host, slash, namespace = login.registry.partition("/")
    return f"{_canonical(host)}{slash}{namespace}"


def _host(key: str) -> str:
    return key.partition("/")[0]


def _covers(stronger: Sequence[str], key: str) -> bool:
    return any(key == one or key.startswith(f"{one}/") for one in stronger)


def _knows(stronger: Sequence[str], host: str) -> bool:
    return any(_host(one) == host for one in stronger)


def _entry(value: Json) -> AuthEntry:
    fields = _object(value)
    return AuthEntry(_text(fields.get("auth")), _text(fields.get("identitytoken")))


def _object(value: Json) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError
    return value


def _text(value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def basic_forms(targets: Iterable[Target], logins: Iterable[Login]) -> tuple[str, ...]:
    """The logins as they travel and authfiles write them, which a registry may quote (RFC 7617)."""
    pairs = [(target.username, target.password) for target in targets]
    pairs += [(login.username, login.password) for login in logins]
    return tuple(
        base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogateescape")).decode()
        for name, password in pairs
        if name and password
    )
