"""The run, as the list of its stages: name, plan, carry out, report.

Each stage takes the last one's value. What a run needs (skopeo, logins, the
lock) is set up around the stages, and gone after them.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import TextIO

from orchestrator import __version__
from orchestrator.authfile import merged, parse_authfile
from orchestrator.command import Programs
from orchestrator.errors import ConfigurationError, ImageError
from orchestrator.executor import Conditions, Executor
from orchestrator.image_list import ImageList
from orchestrator.items import name_all
from orchestrator.plan import Item, PlannedItem
from orchestrator.planner import Planner, Wishes
from orchestrator.progress import progress
from orchestrator.pulls import Pulls
from orchestrator.report.summary import result_line
from orchestrator.result import Report, Result
from orchestrator.schedule import Schedule, tasks_of
from orchestrator.settings import FanOut, Login, Settings
from orchestrator.skopeo import Connection, Skopeo
from orchestrator.targets import Target
from orchestrator.work import InOrder, RetryRule, map_bounded
from orchestrator.workspace import locked, private_folder, write_private

_log = logging.getLogger(__name__)

_RETRY_BASE = 1.0
"""Seconds before the second try."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says of one run.

    Attributes:
        targets: Names of the run's targets, in their order.
        is_strict: Whether a bad line stops everything.
    """

    targets: tuple[str, ...]
    is_forced: bool = False
    is_dry_run: bool = False
    fails_fast: bool = False
    is_strict: bool = False


def run(images: ImageList, settings: Settings, options: RunOptions, *, stderr: TextIO) -> Report:
    """Do a whole run, from a parsed list to a report.

    Raises:
        SyncerError: Nothing can be done at all: no skopeo, a held lock, no such target.
    """
    started = _now()
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    named = name_all(
        images,
        targets={name: settings.target(name) for name in options.targets},
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )
    warnings = (*settings.warnings, *named.warnings)
    for warning in warnings:
        _log.warning("%s", warning)
    ending = Ending()
    outcome = _Outcome()
    if named.items and not (options.is_strict and named.problems):
        with _skopeo(settings, named.items, options, run_id=run_id, ending=ending) as skopeo:
            stages = _Stages(settings, options, skopeo, ending, stderr)
            results = stages.carry_out(stages.plan(named.items))
            needed = sum(result.pulls for result in results)
            pulls = needed if options.is_dry_run else skopeo.pulls.count
            outcome = _Outcome(results, skopeo.version, pulls)
    return Report(
        run_id=run_id,
        version=__version__,
        skopeo_version=outcome.skopeo_version,
        mode=",".join(options.targets),
        started=started,
        finished=_now(),
        results=outcome.results,
        problems=named.problems,
        warnings=warnings,
        pulls=outcome.pulls,
        is_interrupted=ending.event.is_set(),
        is_dry_run=options.is_dry_run,
        is_strict=options.is_strict,
    )


class Ending:
    """Set once by Ctrl-C or SIGTERM: nothing new begins, and running programs are ended."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def sleep(self, seconds: float) -> bool:
        """Wait; True where the run is to end meanwhile."""
        return self.event.wait(seconds)

    @contextmanager
    def on_signals(self, programs: Programs) -> Iterator[None]:
        """End the run in good order when a signal asks for it."""

        def end(_number: int, _frame: FrameType | None) -> None:
            self.event.set()
            programs.end_all()

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class _Outcome:
    results: tuple[Result, ...] = ()
    skopeo_version: str = ""
    pulls: int = 0


@dataclass(frozen=True)
class _Stages:
    """The two stages that talk to registries."""

    settings: Settings
    options: RunOptions
    skopeo: Skopeo
    ending: Ending
    stderr: TextIO

    def plan(self, items: tuple[Item, ...]) -> tuple[PlannedItem, ...]:
        """Reach the verdict of every item."""
        wishes = Wishes(
            created_check=self.settings.created_check,
            attestations=self.settings.attestations,
            is_forced=self.options.is_forced,
        )
        planner = Planner(self.skopeo, self._retry, wishes)
        _log.info("checking %d item%s", len(items), "" if len(items) == 1 else "s")
        done = {}
        with progress(self.stderr, total=len(items), title="checking") as shown:
            queue: InOrder[Item, PlannedItem] = InOrder(items)
            for item, planned in map_bounded(planner.plan, queue, jobs=self.settings.jobs):
                done[item] = planned
                shown.step("")
        return tuple(done[item] for item in items)

    def carry_out(self, planned: tuple[PlannedItem, ...]) -> tuple[Result, ...]:
        """Make every verdict a result."""
        conditions = Conditions(
            is_dry_run=self.options.is_dry_run,
            fails_fast=self.options.fails_fast,
            stall_timeout=self.settings.stall_timeout,
        )
        executor = Executor(self.skopeo, self._retry, conditions, self.ending.event)
        tasks = tasks_of(planned, chains=self.settings.fan_out is FanOut.CHAIN)
        limits = {name: one.jobs for name, one in self.settings.targets.items() if one.jobs}
        done = {}
        with progress(self.stderr, total=len(tasks), title="syncing") as shown:
            schedule = Schedule(tasks, limits)
            for task, result in map_bounded(executor.execute, schedule, jobs=self.settings.jobs):
                done[task.place] = result
                shown.step(result_line(result))
        return tuple(done[task.place] for task in tasks)

    @property
    def _retry(self) -> RetryRule:
        """How a passing fault is tried again, anywhere in the run."""
        return RetryRule(self.settings.retries, _RETRY_BASE, self.ending.sleep, _tell_retry)


@contextmanager
def _skopeo(
    settings: Settings,
    items: tuple[Item, ...],
    options: RunOptions,
    *,
    run_id: str,
    ending: Ending,
) -> Iterator[Skopeo]:
    """Skopeo with the run's logins; a run that writes holds the lock all the while."""
    programs = Programs(settings.tool_environ)
    targets = tuple({item.target.name: item.target for item in items}.values())
    with ExitStack() as stack:
        if not options.is_dry_run:
            stack.enter_context(locked(settings.state_dir, run_id=run_id))
        folder = stack.enter_context(private_folder(settings.state_dir))
        stack.enter_context(ending.on_signals(programs))
        yield Skopeo.found(programs, _connection(settings, targets, folder), Pulls())


def _connection(settings: Settings, targets: tuple[Target, ...], folder: Path) -> Connection:
    """Write the run's authfile and the registries' own CAs, and say where they are."""
    logins = [
        Login(target.base, target.username, target.password)
        for target in targets
        if target.username
    ]
    documents = (
        parse_authfile(path.read_bytes(), origin=str(path))
        for path in settings.user_authfiles
        if _is_readable(path)
    )
    authfile = folder / "auth.json"
    write_private(authfile, merged(documents, [*logins, *settings.logins]))
    certificates = {
        target.registry: _certificates(target.ca, folder / f"ca-{target.name}")
        for target in targets
        if target.ca
    }
    return Connection(
        authfile=authfile,
        is_insecure=settings.is_insecure,
        certificates=certificates.get,
        login_of=settings.login_of,
    )


def _certificates(ca: Path, folder: Path) -> Path:
    """A folder as skopeo wants it: whatever ends in .crt there is an authority (certs.d(5))."""
    folder.mkdir()
    try:
        shutil.copyfile(ca, folder / "ca.crt")
    except OSError as error:
        raise ConfigurationError(f"{ca} can't be read: {error.strerror}") from None
    return folder


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _tell_retry(error: ImageError, delay: float) -> None:
    _log.warning("%s; trying again in %.0f s", error.message, delay)


def _now() -> datetime:
    return datetime.now(timezone.utc)
