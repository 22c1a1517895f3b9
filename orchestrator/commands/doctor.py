"""The `doctor` command: whatever a run needs is tried; what is wrong is said with its remedy.

It leaves nothing behind in a registry: the right to push is found out by an upload that is
begun and called off before it has a byte. Nothing is copied, and no chat is notified.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.catalog.image import MirroredImage
from orchestrator.commands.checks import (
    CheckResult,
    CheckStatus,
    check_pull_limit,
    check_webhooks,
    json_checks,
    markdown_checks,
    mirror_check,
    text_checks,
)
from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.config.authfile import ready_targets, run_logins, sealing_logins
from orchestrator.config.image_list import ImageList
from orchestrator.config.settings import RelayUse, Settings
from orchestrator.config.targets import MirrorPlace, Target
from orchestrator.errors import ConfigurationError, ErrorKind, ExitStatus, SyncerError, UsageError
from orchestrator.oci.reference import DOCKER_HUB, Reference
from orchestrator.plan.items import NamedItems, name_items
from orchestrator.registry.client import RegistryClient, client_of, http_of
from orchestrator.registry.health import Precautions
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.report.github import stopped_commands
from orchestrator.skopeo.adapter import Skopeo
from orchestrator.skopeo.arguments import Connection, connection_of
from orchestrator.skopeo.policy import read_policy
from orchestrator.state.directory import private_folder
from orchestrator.state.seals import Seals
from orchestrator.state.store import State
from orchestrator.sync.followup.visible import pullable
from orchestrator.sync.upstream.mirrors import mirrored, places_of
from orchestrator.system.http import HttpClient
from orchestrator.system.parallel import FifoQueue, map_bounded
from orchestrator.system.program import ProgramRunner

_AT_ONCE = 8
_MOST_PROBLEMS = 20
_LARGEST_SKEW = 300.0
"""Seconds; tokens and the chats' signatures go by the clock, and forgive a few minutes."""

_PLACE: Mapping[ErrorKind | None, str] = {
    ErrorKind.UNREACHABLE: "check its name, and this machine's way there (proxy, firewall, DNS)",
    ErrorKind.TIMEOUT: "check this machine's way there (proxy, firewall), and try again",
}


def run(invocation: Invocation) -> ExitStatus:
    """Check all that a run needs; what is wrong is reported with its remedy."""
    arguments, settings, streams = invocation.arguments, invocation.settings, invocation.streams
    targets = chosen_targets(arguments, settings)
    with stopped_commands(streams.err, settings.github, title="syncer doctor"):
        checks = examine(settings, targets, lambda: read_images(arguments, settings))
        shown = tuple(check.redacted(invocation.redact) for check in checks)
        streams.out.write(_rendered(shown, invocation))
        streams.out.flush()
    return status_of(checks)


def examine(
    settings: Settings, targets: tuple[str, ...], read_list: Callable[[], ImageList]
) -> tuple[CheckResult, ...]:
    """Do every check, whatever the others found.

    Args:
        settings: As they were read.
        targets: Names of a run's targets.
        read_list: Reads the list, and raises what is wrong with it as a whole.
    """
    examination = _Examination(settings, targets)
    checks = list(check_settings(settings, targets))
    listed = _tried("list", lambda: examination.read(read_list))
    tools = _tried("skopeo", examination.check_skopeo)
    state = _tried("state", examination.check_state)
    checks += (*listed, *tools, *state)
    with closing(http_of(settings, connections=_AT_ONCE)) as http:
        checks += _tried("registries", lambda: examination.check_registries(http))
    return (*checks, check_webhooks(settings.webhooks))


def _rendered(checks: tuple[CheckResult, ...], invocation: Invocation) -> str:
    match invocation.arguments.output:
        case "json":
            return json_checks(checks, status=status_of(checks))
        case "markdown":
            return markdown_checks(checks)
        case _:
            return text_checks(checks, is_coloured=invocation.screen.is_coloured)


def status_of(checks: Iterable[CheckResult]) -> ExitStatus:
    """The exit status of all checks together: 0, 1, or 2 where the configuration is wrong."""
    wrong = [check for check in checks if check.status is CheckStatus.WRONG]
    if any(check.is_configuration for check in wrong):
        return ExitStatus.USAGE
    return ExitStatus.FAILED if wrong else ExitStatus.OK


def check_settings(settings: Settings, targets: tuple[str, ...]) -> Iterator[CheckResult]:
    """Warnings about the settings, and the targets; what can't be read was an error before."""
    for warning in settings.warnings:
        yield CheckResult("settings", CheckStatus.NOTE, warning)
    if targets:
        yield CheckResult(
            "settings",
            CheckStatus.FINE,
            f"they can be read; the targets are {', '.join(targets)}",
        )
    else:
        yield CheckResult(
            "settings", CheckStatus.NOTE, "SYNC_MODE is none, so that a batch does nothing"
        )


def check_list(images: ImageList, named: NamedItems) -> Iterator[CheckResult]:
    """Bad lines, clashes, and what else a reader of the list should know."""
    for problem in named.problems[:_MOST_PROBLEMS]:
        yield CheckResult("list", CheckStatus.WRONG, str(problem))
    if len(named.problems) > _MOST_PROBLEMS:
        more = len(named.problems) - _MOST_PROBLEMS
        yield CheckResult(
            "list", CheckStatus.WRONG, f"and {more} more bad lines", "syncer name lists them all"
        )
    for warning in named.warnings[:_MOST_PROBLEMS]:
        yield CheckResult("list", CheckStatus.NOTE, warning)
    if not images.entries:
        yield CheckResult(
            "list", CheckStatus.NOTE, f"{images.file} has no image that can be mirrored"
        )
    elif not named.problems:
        yield CheckResult(
            "list", CheckStatus.FINE, f"{images.file} has {len(images.entries)} good lines"
        )


def check_clock(skew: float | None) -> CheckResult:
    """Whether our clock is a registry's.

    Args:
        skew: Seconds that it is ahead; None where no registry sent a Date.
    """
    if skew is None:
        return CheckResult(
            "clock", CheckStatus.NOTE, "no registry has told the time, so it is not compared"
        )
    if abs(skew) <= _LARGEST_SKEW:
        return CheckResult(
            "clock", CheckStatus.FINE, f"it is within {abs(skew):.0f} s of a registry's"
        )
    way = "ahead of" if skew > 0 else "behind"
    return CheckResult(
        "clock",
        CheckStatus.WRONG,
        f"it is {abs(skew) / 60:.0f} minutes {way} the registries'",
        "set it right (timedatectl set-ntp true): logins and the chats' signatures go by it",
    )


class _Examination:
    """The checks of one `doctor` command; later ones use what earlier ones found."""

    def __init__(self, settings: Settings, targets: tuple[str, ...]) -> None:
        self._settings = settings
        self._targets = targets
        self._programs = ProgramRunner(settings.tool_environ)
        self._images = ImageList("", ())
        self._named = NamedItems(())
        self._mirrored: tuple[MirroredImage, ...] = ()

    def read(self, read_list: Callable[[], ImageList]) -> Iterator[CheckResult]:
        """Read and name the list, without the network."""
        self._images = read_list()
        known = {
            name: target.with_placeholders() for name, target in self._settings.targets.items()
        }
        self._named = name_items(
            self._images.with_placeholders(),
            targets={name: known[name] for name in self._targets if name in known},
            others=known,
            default_platform=self._settings.default_platform,
        )
        return check_list(self._images, self._named)

    def check_skopeo(self) -> Iterator[CheckResult]:
        """Its version, and its policy of trust."""
        # Neither needs a login, so that there is no file of them yet.
        nobody = Connection(
            Path(os.devnull),
            self._settings.is_insecure,
            lambda _: None,
            self._settings.login_of,
            policy=read_policy(self._settings.policy) if self._settings.policy else None,
        )
        skopeo = Skopeo(self._programs, nobody)
        yield CheckResult("skopeo", CheckStatus.FINE, f"version {skopeo.version()} is installed")
        fault = skopeo.policy_fault()
        if fault:
            remedy = 'write {"default":[{"type":"insecureAcceptAnything"}]} into it'
            remedy = "mend the file that POLICY names" if self._settings.policy else remedy
            yield CheckResult("skopeo", CheckStatus.WRONG, fault, remedy)

    def check_state(self) -> Iterator[CheckResult]:
        """The state directory can be written, and the database in it is sound."""
        folder = self._settings.state_dir
        with private_folder(folder), closing(State(folder)) as state:
            self._mirrored = state.images()
            warnings = state.warnings
        for warning in warnings:
            yield CheckResult(
                "state", CheckStatus.WRONG, warning, "set STATE_DIR to a folder on a local disk"
            )
        if not warnings:
            yield CheckResult(
                "state", CheckStatus.FINE, f"{folder} can be written, and its database is sound"
            )

    def _visible(self, logins: bytes) -> Iterator[CheckResult]:
        """Who can pull from each target, as far as runs have found out; nobody is asked."""
        seals = Seals(sealing_logins(self._settings, logins))
        with closing(State(self._settings.state_dir, seals=seals)) as state:
            told = [(one.name, pullable(self._mirrored, one.base, state)) for one in self._usable]
        for name, found in told:
            if found:
                status = CheckStatus.NOTE if found.private else CheckStatus.FINE
                yield CheckResult(f"pull from {name}", status, str(found), found.remedy)

    def check_registries(self, http: HttpClient) -> Iterator[CheckResult]:
        """Targets, sources, and what their answers say of the clock and of Docker Hub."""
        logins = run_logins(self._settings, self._usable)
        client = client_of(self._settings, http, logins)
        sources = {entry.source.registry: entry.source for entry in reversed(self._images.entries)}
        mirrors = places_of(self._settings.sources)
        questions = [
            *(
                _NetworkCheck(f"target {name}", self._asking_target(name, client))
                for name in self._targets
            ),
            *(
                _NetworkCheck(f"source {host}", self._asking_source(sources[host], client))
                for host in sorted(sources)
            ),
            *(
                _NetworkCheck(f"mirror of {host}", partial(_check_mirror, source, place, client))
                for host, source in sorted(sources.items())
                if (place := mirrors.get(host))
            ),
        ]
        found = dict(map_bounded(_NetworkCheck.answered, FifoQueue(questions), jobs=_AT_ONCE))
        for question in questions:
            yield from found[question]
        if self._mirrored:
            yield from self._visible(logins)
        yield check_clock(client.clock_skew())
        hub = next((one for one in questions if one.subject == f"source {DOCKER_HUB}"), None)
        if hub:
            yield check_pull_limit(
                client.pull_limit(),
                has_login=any(one.registry == DOCKER_HUB for one in self._settings.logins),
                was_asked=any(one.status is not CheckStatus.WRONG for one in found[hub]),
            )

    @property
    def _usable(self) -> tuple[Target, ...]:
        usable = self._settings.usable_targets
        return tuple(usable[name] for name in self._targets if name in usable)

    def _asking_target(
        self, name: str, client: RegistryClient
    ) -> Callable[[], Iterable[CheckResult]]:
        return lambda: (self._check_target(name, client),)

    def _asking_source(
        self, source: Reference, client: RegistryClient
    ) -> Callable[[], Iterable[CheckResult]]:
        return lambda: (self._check_source(source, client),)

    def _check_target(self, name: str, client: RegistryClient) -> CheckResult:
        """The right to push where the list's first image would go."""
        target = ready_targets(self._settings, (name,))[name]
        items = (item.destination for item in self._named.items if item.target.name == name)
        destination = next(items, None) or Reference.parse(f"{target.base}/syncer-doctor")
        subject = f"target {name}"
        is_off = self._settings.relay is RelayUse.OFF
        against = "RELAY is off" if is_off else client.reason_against(destination)
        is_relayed = not against
        if against:
            with self._skopeo(client) as skopeo:
                skopeo.check_alone(destination)
        right = client.push_right(destination, by_skopeo=not is_relayed)
        if isinstance(right, Inconclusive):
            if _is_final(right):
                return _away(subject, right)
            with self._skopeo(client) as skopeo:
                skopeo.try_push(destination)
            if is_relayed:
                remedy = "set RELAY=off: skopeo itself may push there"
                return CheckResult(subject, CheckStatus.WRONG, right.reason, remedy)
        way = "by the relay" if is_relayed else f"by skopeo itself, since {against}"
        finding = f"{destination.name} may be pushed to, {way}"
        if isinstance(right, Inconclusive) or not right.is_cleared:
            finding += "; the upload that was begun to find out is left for the registry to forget"
        return CheckResult(subject, CheckStatus.FINE, finding)

    def _check_source(self, source: Reference, client: RegistryClient) -> CheckResult:
        """Whether a source is there, by a HEAD; by skopeo where that does not say so."""
        subject = f"source {source.registry}"
        found = client.tags(source) if source.is_repository else client.head(source)
        if isinstance(found, Inconclusive) and _is_final(found):
            return _away(subject, found)
        if isinstance(found, Inconclusive | NotFound):
            with self._skopeo(client) as skopeo:
                is_there = (
                    bool(skopeo.list_tags(source))
                    if source.is_repository
                    else skopeo.read_manifest(source) is not None
                )
            if not is_there:
                finding = f"it answers, but has no {source.familiar}"
                remedy = "check the name and the tag: correct the line, or take it out"
                return CheckResult(subject, CheckStatus.WRONG, finding, remedy)
        return CheckResult(subject, CheckStatus.FINE, f"it answers, and has {source.familiar}")

    @contextmanager
    def _skopeo(self, client: RegistryClient) -> Iterator[Skopeo]:
        """Skopeo as a run has it: what it is refused is what a run is refused."""
        with private_folder(self._settings.state_dir) as folder:
            logins = run_logins(self._settings, self._usable)
            connection = connection_of(self._settings, self._usable, folder, logins)
            precautions = Precautions(check_login=client.check_login)
            yield Skopeo(self._programs, connection, precautions=precautions)


def _check_mirror(
    source: Reference, place: MirrorPlace, client: RegistryClient
) -> Iterator[CheckResult]:
    there = mirrored(source, place)
    found = client.tags(there) if there.is_repository else client.head(there)
    yield mirror_check(source, str(place), found)


def _is_final(found: Inconclusive) -> bool:
    """Whether skopeo need not be asked as well: it would take its time to say the same."""
    if found.kind is None:
        return found.ends_host
    return found.kind in (ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT, ErrorKind.RATE_LIMITED)


def _away(subject: str, found: Inconclusive) -> CheckResult:
    """What it means that a registry could not be asked."""
    is_away = found.kind in (ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT)
    finding = f"it could not be asked: {found.reason}" if is_away else found.reason
    advice = _PLACE.get(found.kind, "try again later")
    return CheckResult(subject, CheckStatus.WRONG, finding, advice)


@dataclass(frozen=True)
class _NetworkCheck:
    """A check that asks over the network."""

    subject: str
    ask: Callable[[], Iterable[CheckResult]]

    def answered(self) -> tuple[CheckResult, ...]:
        """Its results."""
        return _tried(self.subject, self.ask)


def _tried(subject: str, check: Callable[[], Iterable[CheckResult]]) -> tuple[CheckResult, ...]:
    """The results of a check; an error is one of them, so that the other checks go on."""
    found: list[CheckResult] = []
    try:
        found.extend(check())
    except SyncerError as error:
        is_configuration = isinstance(error, ConfigurationError | UsageError)
        found.append(
            CheckResult(subject, CheckStatus.WRONG, error.message, error.hint, is_configuration)
        )
    return tuple(found)
