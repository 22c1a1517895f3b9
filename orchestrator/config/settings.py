"""Settings: everything a run depends on, in frozen values.

Past this module nobody reads a variable or a file of settings again;
orchestrator/config/load.py makes it from flags, environment and files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from orchestrator.config.targets import ALIYUN_HOSTS, SourceRules, Target
from orchestrator.errors import ConfigurationError, Problem, did_you_mean
from orchestrator.hosts import is_loopback
from orchestrator.language import Language, Translations, translations
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import DOCKER_HUB


class CreatedCheck(str, Enum):
    """How far equal `created` dates are believed where digests differ (`CREATED_CHECK`)."""

    VERIFY = "verify"
    """Same `created` and same content is in sync; same `created` alone is not."""
    TRUST = "trust"
    """Same `created` is in sync, unless it is unset or the date of reproducible builds."""
    OFF = "off"
    """Another digest is another image."""


class Verify(str, Enum):
    """What is asked for at a destination before an item is in sync (`VERIFY`)."""

    TAG = "tag"
    """What the tag names."""
    CHILDREN = "children"
    """Each image that an index names, too."""
    BLOBS = "blobs"
    """Each config and layer, too."""


class Gone(str, Enum):
    """What becomes of an image whose source is gone upstream (`GONE`)."""

    KEEP = "keep"
    """What the mirror has of it is kept, and that is told once."""
    FAIL = "fail"
    """It fails in each run."""


BUILT_IN = ("aliyun", "ghcr")
"""The targets that need no targets.toml."""

_LOGIN_KEYS = {
    "aliyun": "ALIYUN_USERNAME and ALIYUN_PASSWORD",
    "ghcr": "GHCR_USERNAME and GHCR_TOKEN",
}

_ON_ACTIONS = (
    "to the repository, under Settings > Secrets and variables > Actions "
    "(registry and namespace do as variables, too)"
)


class NotifyOn(str, Enum):
    """Of which runs a webhook is notified (`WEBHOOK_ON`)."""

    ALWAYS = "always"
    CHANGE = "change"
    FAILURE = "failure"


class Attestations(str, Enum):
    """What becomes of an index's attestation children (`ATTESTATIONS`)."""

    AUTO = "auto"
    KEEP = "keep"
    DROP = "drop"


class RelayUse(str, Enum):
    """Whether skopeo pushes through the relay (`RELAY`)."""

    AUTO = "auto"
    OFF = "off"


class FanOut(str, Enum):
    """Where the second target of an image is copied from (`FAN_OUT`)."""

    CHAIN = "chain"
    SOURCE = "source"


@dataclass(frozen=True)
class MailServer:
    """The SMTP server that mail goes by.

    Attributes:
        username: Empty where it wants no login.
        sender: The address that mail comes from.
    """

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Webhook:
    """A chat, a monitor, a program or people to notify; only the host of its URL is ever shown.

    Attributes:
        mail: Where the URL is `mailto:`, what brings it.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    on: NotifyOn = NotifyOn.ALWAYS
    format: str = ""
    mail: MailServer | None = None


@dataclass(frozen=True)
class Login:
    """A user name and a password for one registry, or one namespace of it."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class GitHubStep:
    """What a GitHub Actions runner says of the step that we are.

    Attributes:
        summary: The file that the step's summary is appended to.
        output: The file that the step's outputs are appended to.
        run_url: The page of this run, where its log is to be read.
        repository_url: The page of the repository.
    """

    summary: Path | None = None
    output: Path | None = None
    run_url: str = ""
    repository_url: str = ""


def github_step(environ: Mapping[str, str]) -> GitHubStep | None:
    """What the environment says of a GitHub Actions runner; None where this is none."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    summary, output = environ.get("GITHUB_STEP_SUMMARY"), environ.get("GITHUB_OUTPUT")
    repository, run_id = environ.get("GITHUB_REPOSITORY"), environ.get("GITHUB_RUN_ID")
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    page = f"{server}/{repository}" if repository else ""
    return GitHubStep(
        summary=Path(summary) if summary else None,
        output=Path(output) if output else None,
        run_url=f"{page}/actions/runs/{run_id}" if page and run_id else "",
        repository_url=page,
    )


@dataclass(frozen=True)
class Settings:
    """All that a run depends on.

    Attributes:
        shard_above: Items that one machine is given of a list at most.
        base: The folder that relative paths are counted from.
        mode: Names of the run's targets, in their order; empty for `none`.
        targets: Every target that is configured, by name.
        logins: Logins to sources; a target bears its own.
        sources: What is set of registries that images come from, by host.
        shares: Among how many shards a run has to divide what registries allow.
        user_authfiles: Where the user's own logins may stand, the strongest first.
        tool_environ: What a program we start sees: no secret of ours.
        jobs: Copies at once, and at most as many inspections beside them; None finds a number.
        retries: Tries of a passing fault.
        stall_timeout: Seconds without a byte moved before a copy is ended.
        askers: Who may ask by an issue, beside owner, members and collaborators.
        max_tags: Tags that one line of the list may choose.
        takes_signatures: Whether what is signed about an image goes with it.
        policy: Which sources have to be signed, and by whom; None leaves that to skopeo's own.
        secrets: Every secret value, for redaction.
        unmasked: Those of the secrets that a runner can't know: they stand in files.
        language: Of tables, summaries and chats; never `auto`.
        warnings: What the user should know about the configuration.
        doubtful: The lines of config.env among that, which may not say what was meant.
        github: The step of GitHub Actions that this is; None elsewhere.
    """

    base: Path
    mode: tuple[str, ...]
    targets: Mapping[str, Target]
    state_dir: Path
    default_platform: PlatformChoice
    jobs: int | None = None
    retries: int = 3
    stall_timeout: float = 120.0
    max_tags: int = 50
    fan_out: FanOut = FanOut.CHAIN
    relay: RelayUse = RelayUse.AUTO
    attestations: Attestations = Attestations.AUTO
    takes_signatures: bool = False
    policy: Path | None = None
    created_check: CreatedCheck = CreatedCheck.VERIFY
    verify: Verify = Verify.CHILDREN
    gone: Gone = Gone.KEEP
    insecure_registries: frozenset[str] = frozenset()
    logins: tuple[Login, ...] = ()
    sources: Mapping[str, SourceRules] = field(default_factory=dict)
    shares: int = 1
    webhooks: tuple[Webhook, ...] = ()
    metrics_file: Path | None = None
    askers: tuple[str, ...] = ()
    cleans_disk: bool = False
    user_authfiles: tuple[Path, ...] = ()
    tool_environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    unmasked: tuple[str, ...] = field(default=(), repr=False)
    language: Language = Language.ENGLISH
    warnings: tuple[str, ...] = ()
    doubtful: tuple[Problem, ...] = ()
    github: GitHubStep | None = None
    shard_above: int = 500

    @property
    def words(self) -> Translations:
        """The catalogue of the language."""
        return translations(self.language)

    @property
    def chains(self) -> bool:
        """Whether a target may be fed from another one: a policy judges sources alone."""
        return self.fan_out is FanOut.CHAIN and self.policy is None

    @property
    def is_on_actions(self) -> bool:
        """Whether this is a GitHub Actions runner."""
        return self.github is not None

    @property
    def is_untouched(self) -> bool:
        """Whether all is as in the template: Aliyun alone is meant, and nothing of it is set."""
        aliyun = self.targets["aliyun"]
        login = (aliyun.username, aliyun.password, *self.logins, *self.webhooks)
        is_set = aliyun.registry or aliyun.namespace or any(login)
        return self.mode == ("aliyun",) and set(self.targets) == set(BUILT_IN) and not is_set

    def is_insecure(self, registry: str) -> bool:
        """Whether plain HTTP or unverified TLS will do for this host."""
        target_says = any(
            target.is_insecure for target in self.targets.values() if target.registry == registry
        )
        if self.ca_of(registry):
            return target_says
        return target_says or registry in self.insecure_registries or is_loopback(registry)

    def ca_of(self, registry: str) -> Path | None:
        """The PEM file of the authority that a target names for this host; None where none does."""
        found = (target.ca for target in self.targets.values() if target.registry == registry)
        return next((ca for ca in found if ca), None)

    def bandwidth_of(self, registry: str) -> int | None:
        """Bytes a second that a registry may be sent: the least that a target there says."""
        found = (target for target in self.targets.values() if target.registry == registry)
        return min((one.bandwidth for one in found if one.bandwidth), default=None)

    @property
    def request_rates(self) -> Mapping[str, float]:
        """Requests a second that a host may be sent by this run, where something says so."""
        said = [(one.registry, one.requests_per_second) for one in self.targets.values()]
        said += [(host, one.requests_per_second) for host, one in self.sources.items()]
        rates: dict[str, float] = {}
        for host, rate in said:
            if rate is not None:
                rates[host] = min(rate / self.shares, rates.get(host, rate))
        return rates

    @property
    def usable_targets(self) -> dict[str, Target]:
        """The targets that have all they need."""
        return {
            name: target for name, target in self.targets.items() if not self._missing_of(target)
        }

    def login_of(self, registry: str) -> str:
        """What holds the credentials for a registry, in the user's words."""
        names = {target.registry: target.name for target in self.usable_targets.values()}
        name = names.get(registry)
        if name in _LOGIN_KEYS:
            return _LOGIN_KEYS[name]
        if name:
            return f"username and password of [targets.{name}] in targets.toml"
        if registry == DOCKER_HUB:
            return "DOCKERHUB_USERNAME and DOCKERHUB_TOKEN"
        return f"your login to {registry} (skopeo login {registry})"

    def target(self, name: str) -> Target:
        """The target of this name.

        Raises:
            ConfigurationError: There is none, or it lacks what it needs.
        """
        return self.complete_targets((name,))[name]

    def complete_targets(
        self, names: Iterable[str], *, has_login: Callable[[Target], bool] = lambda _: True
    ) -> dict[str, Target]:
        """The targets of these names, in their order.

        Args:
            names: Of targets.
            has_login: Whether the user has logged in to a target that bears no login itself.

        Raises:
            ConfigurationError: One is not there, or some lack what they need: all that is
                missing is named.
        """
        targets = {name: self.known_target(name) for name in names}
        missing = {
            name: self._missing_of(target, has_login=has_login(target))
            for name, target in targets.items()
        }
        lacking = [name for name in targets if missing[name]]
        if lacking:
            told = "; ".join(f"target '{name}': {not_set(missing[name])}" for name in lacking)
            what = "them" if sum(map(len, missing.values())) > 1 else "it"
            hints = dict.fromkeys(self._where_to_set(name, what) for name in lacking)
            raise ConfigurationError(told, hint="; ".join(hints))
        return targets

    def _where_to_set(self, name: str, what: str) -> str:
        if name not in BUILT_IN:
            where = f"targets.toml, [targets.{name}]"
            return f"set {what} in {where}; where ${{NAME}} stands there, set that variable"
        if self.is_on_actions:
            return f"add {what} {_ON_ACTIONS}"
        return f"set {what} in config.env or the environment"

    def known_target(self, name: str) -> Target:
        """The target of this name, whether or not it has all it needs.

        Raises:
            ConfigurationError: There is none.
        """
        target = self.targets.get(name)
        if target is None:
            hint = did_you_mean(name, self.targets) or "targets.toml is the place for more"
            raise ConfigurationError(f"there is no target '{name}'", hint=hint)
        return target

    def _missing_of(self, target: Target, *, has_login: bool = True) -> tuple[str, ...]:
        needs_login = self.is_on_actions and target.name == "aliyun"
        needs_login |= _takes_no_strangers(target) and not has_login
        return (*missing_place(target), *_missing_login(target, is_needed=needs_login))


def missing_place(target: Target) -> tuple[str, ...]:
    """The settings that would say where a target is, by name, as far as they are not set."""
    prefix = _prefix(target)
    missing = [] if target.registry else [f"{prefix}_REGISTRY" if prefix else "registry"]
    if prefix and not target.namespace:
        missing.append(f"{prefix}_NAMESPACE")
    return tuple(missing)


def not_set(names: Sequence[str]) -> str:
    """Say of settings that they are not set: `A, B and C are not set`."""
    *others, last = names
    return f"{', '.join(others)} and {last} are not set" if others else f"{last} is not set"


def _takes_no_strangers(target: Target) -> bool:
    """Whether nobody may push there without a login; `aliyun` is Aliyun's while it has no host."""
    host = target.registry or (ALIYUN_HOSTS if target.name == "aliyun" else "")
    return host == "ghcr.io" or host.endswith(ALIYUN_HOSTS)


def _missing_login(target: Target, *, is_needed: bool) -> Iterator[str]:
    """Half a login is never one; none at all may do where nothing has to be written."""
    prefix = _prefix(target)
    password = {"aliyun": "ALIYUN_PASSWORD", "ghcr": "GHCR_TOKEN"}.get(target.name, "password")
    if not target.username and (target.password or is_needed):
        yield f"{prefix}_USERNAME" if prefix else "username"
    if not target.password and (target.username or is_needed):
        yield password


def _prefix(target: Target) -> str:
    return target.name.upper() if target.name in BUILT_IN else ""
