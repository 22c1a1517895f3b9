"""The run, as the list of its stages: name, plan, carry out, report.

Each stage takes the last one's value. What a run needs (skopeo, logins, the
lock) is set up around the stages, and gone after them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from operator import attrgetter
from queue import SimpleQueue
from typing import TextIO

from orchestrator import __version__
from orchestrator.config.authfile import ready_targets
from orchestrator.config.image_list import ImageList
from orchestrator.config.settings import Gone, Settings
from orchestrator.errors import ErrorKind, ImageError, Side, explained
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.ages import Ages, HeldItem
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import FailedItem, Verdict
from orchestrator.plan.fast_path import FastPath
from orchestrator.plan.items import Item, NamedItems, name_items
from orchestrator.plan.planner import Planner, PlanOptions
from orchestrator.plan.shard import Shard
from orchestrator.plan.tags import Expanded, Expander
from orchestrator.registry.health import QUESTION
from orchestrator.registry.reader import Reader, RetryingReader
from orchestrator.registry.refused_logins import RefusedLogins
from orchestrator.report.result import Report, Result, new_run_id
from orchestrator.report.summary import is_news, result_line
from orchestrator.state.store import State
from orchestrator.sync.conflict import ConflictCheck, filled_by_others
from orchestrator.sync.executor import Conditions, Executor, result_of
from orchestrator.sync.followup.counts import counts_of, remember_speeds
from orchestrator.sync.followup.gone import GoneSources
from orchestrator.sync.followup.memory import remember
from orchestrator.sync.followup.signatures import Signatures
from orchestrator.sync.schedule import CopyTask, CopyTaskFactory, chain_links, schedule_of
from orchestrator.sync.session import CHECKS_AT_ONCE, HEADS_AT_ONCE, Session, StopSignal, session
from orchestrator.sync.steps import (
    HeadCheck,
    Inspect,
    Step,
    StepLimits,
    StepQueue,
    StepResult,
    guarded,
    is_brief,
)
from orchestrator.sync.upstream.pull_budget import PullBudget
from orchestrator.system.parallel import FifoQueue, RetryPolicy, WorkQueue, map_bounded
from orchestrator.system.progress import Progress, Transfers, progress
from orchestrator.text import first_lines

_log = logging.getLogger(__name__)

_FIRST_INSPECTIONS = 4
"""Inspections at once to begin with: enough to keep ahead of the copies that they lead to."""

_RETRY_BASE = 1.0
"""Seconds before the second try."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says of one run.

    Attributes:
        targets: Names of the run's targets, in their order.
        is_strict: Whether a bad line stops everything.
        shard: The part of the list that is worked on; None for all of it.
        retry_base: Seconds before the second try; no user's business, but the soak test's,
            which has thousands of faults to get over.
        longest_question: Seconds that a host may be silent; tests have less time.
        stop: Ends the run early.
    """

    targets: tuple[str, ...]
    is_forced: bool = False
    is_dry_run: bool = False
    fails_fast: bool = False
    is_strict: bool = False
    shard: Shard | None = None
    retry_base: float = _RETRY_BASE
    longest_question: float = QUESTION
    stop: StopSignal = field(default_factory=StopSignal, compare=False)


def run_sync(
    images: ImageList, settings: Settings, options: RunOptions, *, stderr: TextIO
) -> Report:
    """Do a whole run, from a parsed list to a report.

    Raises:
        SyncerError: Nothing can be done at all: no skopeo, a held lock, no such target.
    """
    started = _now()
    named = _named(images.with_placeholders(), settings, options)
    # What is chosen later is named anew, and only then falls to a part of the list.
    items = named.items if images.selects else _of_shard(named, options)
    report = Report(
        run_id=new_run_id(started),
        version=__version__,
        mode=",".join(options.targets),
        started=started,
        finished=started,
        problems=named.problems,
        shard=str(options.shard or ""),
        is_dry_run=options.is_dry_run,
        is_strict=options.is_strict,
    )
    empty = () if images.entries or images.problems else (f"{images.file} names no image",)
    doubts = () if images.selects else named.warnings
    report = _warned(report, (*settings.warnings, *doubts, *empty))
    if not items or (options.is_strict and named.problems):
        return replace(report, finished=_now())
    return _carried_out(images, report, items, settings, options, stderr)


def _named(images: ImageList, settings: Settings, options: RunOptions) -> NamedItems:
    return name_items(
        images,
        targets=ready_targets(settings, options.targets),
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )


def _of_shard(named: NamedItems, options: RunOptions) -> tuple[Item, ...]:
    """What is to be worked on here: all of it, or a part."""
    return tuple(filter(options.shard.has, named.items)) if options.shard else named.items


def _carried_out(
    images: ImageList,
    report: Report,
    items: tuple[Item, ...],
    settings: Settings,
    options: RunOptions,
    stderr: TextIO,
) -> Report:
    """Plan and do the work, and add what became of it to the report."""
    stop = options.stop
    writes = not options.is_dry_run
    with session(
        settings,
        items,
        run_id=report.run_id,
        is_writing=writes,
        stop=stop,
        longest_question=options.longest_question,
    ) as tools:
        stages = _Stages(settings, options, tools, stop, stderr)
        left_out: list[FailedItem | HeldItem] = []
        if images.selects:
            expanded = stages.expand(images)
            named = expanded.named
            items, left_out = _of_shard(named, options), [*expanded.unlisted]
            report = _warned(replace(report, problems=named.problems), named.warnings)
            if options.is_strict and report.problems:
                return replace(report, finished=_now())
        others = tuple(filled_by_others(items, tools.state.writer, file=images.file))
        if options.is_strict and others:
            return replace(report, problems=others, finished=_now())
        report = _warned(report, map(str, others))
        settled = stages.hold_back(items)
        left_out += (one for one in settled if isinstance(one, HeldItem))
        results = stages.carry_out(tuple(one for one in settled if isinstance(one, Item)))
        results = tools.told_of_mirrors(stages.gone.back(results))
        remember(results, tools.state)
        remember_speeds(results, tools.transfers, tools.state)
        results = tools.visibility.of(results) if writes else results
        if settings.takes_signatures and writes:
            results = stages.bring_signatures(results)
        if left_out:
            results = tuple(
                sorted((*results, *map(result_of, left_out)), key=attrgetter("item.line"))
            )
        report = replace(
            report,
            skopeo_version=tools.skopeo.used_version,
            finished=_now(),
            results=results,
            pulls=tools.pulls.count if writes else sum(one.pulls for one in results),
            is_interrupted=stop.event.is_set(),
            warnings=(*report.warnings, *tools.warnings),
            counts=() if writes else counts_of(results, tools.state.speed, settings.bandwidth_of),
        )
        return _recorded(report, tools.state) if writes else report


def _recorded(report: Report, state: State) -> Report:
    """Add the run to the history; that it can't be is a warning."""
    try:
        return state.record(report)
    except Exception as error:  # noqa: BLE001 - the results stand, whatever becomes of their record
        words, _ = explained(error)
        return _warned(report, [f"this run is missing from the history: {words}"])


def _warned(report: Report, warnings: Iterable[str]) -> Report:
    """Log what the user should know, and put it into the report."""
    new = tuple(warnings)
    for warning in first_lines(new, of="warnings"):
        _log.warning("%s", warning)
    return replace(report, warnings=(*report.warnings, *new))


@dataclass(frozen=True)
class _Stages:
    """The two stages that talk to registries."""

    settings: Settings
    options: RunOptions
    tools: Session
    stop: StopSignal
    stderr: TextIO

    def expand(self, images: ImageList) -> Expanded:
        """Name what lines choose."""
        tools, most = self.tools, self.settings.max_tags
        expander = Expander(tools.lister, tools.skopeo, self._retry, most=most, jobs=HEADS_AT_ONCE)
        return expander.expand(images, lambda one: _named(one, self.settings, self.options))

    def hold_back(self, items: tuple[Item, ...]) -> tuple[Item | HeldItem, ...]:
        """Hold back what has not been there for as long as its line wants."""
        ages = Ages(
            RetryingReader(self.tools.reader, self._retry),
            self.tools.client.shown_since,
            self.tools.state,
            _now().timestamp(),
            is_writing=not self.options.is_dry_run,
        )
        return ages.settle(items, jobs=HEADS_AT_ONCE)

    def _planner(self) -> Planner:
        """Reaches verdicts, and knows the other forms where a registry refuses one."""
        options = PlanOptions(
            created_check=self.settings.created_check,
            attestations=self.settings.attestations,
            is_forced=self.options.is_forced,
        )
        http, has_blob, state = self.tools.http, self.tools.has_blob, self.tools.state
        reader = RetryingReader(self.tools.reader, self._retry)
        once = self._completeness(http, has_blob)
        patient = self._completeness(
            reader, lambda there, digest: self._retry.run(lambda: has_blob(there, digest))
        )
        return Planner(reader, options, FastPath(http, state, once, self.tools.pool), patient)

    def _completeness(
        self, reader: Reader, has_blob: Callable[[Reference, Digest], bool]
    ) -> Completeness:
        return Completeness(
            reader, has_blob, self.tools.state, self.settings.verify, self.tools.pool
        )

    def carry_out(self, items: tuple[Item, ...]) -> tuple[Result, ...]:
        """Make every item a result."""
        _log.info("checking %d item%s", len(items), "" if len(items) == 1 else "s")
        self.tools.expect(items)
        copies = self.tools.copies
        links = chain_links(items) if self.settings.chains else (None,) * len(items)
        most = copies.most
        inspections = most if self.options.is_dry_run else min(most, _FIRST_INSPECTIONS)
        steps_left = StepQueue(
            items,
            # In a dry run the bytes of a blob count for the first in the list that needs it.
            (None, *range(len(items) - 1)) if self.options.is_dry_run else links,
            StepLimits(
                CHECKS_AT_ONCE,
                inspections=inspections,
                most_inspections=most,
                is_proven=self.tools.health.is_proven,
                enough_checks=self.tools.enough_checks,
            ),
            schedule_of(copies, self.settings),
            CopyTaskFactory(links, is_relaying=self.tools.is_relaying),
            PullBudget(self.tools.pull_limit, self.tools.pulls, self.options.shard),
        )
        queue: WorkQueue[Step, StepResult] = steps_left
        ended: SimpleQueue[Future[StepResult] | None] = SimpleQueue()

        def on_upload(registry: str, digest: Digest) -> None:
            steps_left.arrived(registry, digest)
            ended.put(None)

        transfers = self.tools.transfers
        self.tools.skopeo.listen(on_upload, transfers)
        done = {}
        with self._progress(len(items), self.settings.words.gettext("syncing"), transfers) as shown:
            at_once = CHECKS_AT_ONCE + 2 * most
            ends = map_bounded(self._steps(), queue, jobs=at_once, ended=ended, is_brief=is_brief)
            for step, found in ends:
                if isinstance(found, Result):
                    done[step.place] = found
                    shown.step(result_line(found, self.settings.words), is_news=is_news(found))
        return tuple(done[place] for place, _ in enumerate(items))

    def _progress(
        self, total: int, title: str, transfers: Transfers
    ) -> AbstractContextManager[Progress]:
        environ = self.settings.tool_environ
        return progress(self.stderr, total=total, title=title, environ=environ, transfers=transfers)

    def _steps(self) -> Callable[[Step], StepResult]:
        """The function that takes one step of one item."""
        planner = self._planner()
        conditions = Conditions(
            is_dry_run=self.options.is_dry_run,
            fails_fast=self.options.fails_fast,
            transfers=self.tools.transfers,
            pushes=self.tools.visibility,
            kept=self.gone.kept if self.settings.gone is Gone.KEEP else lambda _: None,
        )
        executor = Executor(
            self.tools.tool,
            planner,
            self._retry,
            conditions,
            self.stop.event,
            conflicts=ConflictCheck(self.tools.client, self.tools.pool),
        )

        refused = RefusedLogins(self.tools.client.refuses_login, self.settings.login_of)

        def work(step: Step) -> StepResult:
            item = step.planned.item if isinstance(step, CopyTask) else step.item
            places = (item.destination, item.source)
            error = refused.known(*places)
            if error and not isinstance(step, CopyTask):
                return FailedItem(item, error)
            if error and isinstance(step, CopyTask) and isinstance(step.planned, Verdict):
                return executor.execute(replace(step, planned=FailedItem(item, error)))
            match take(step):
                case FailedItem() as failed:
                    return replace(failed, error=refused.explained(failed.error, *places))
                case Result(error=ImageError() as error) as result:
                    return replace(result, error=refused.explained(error, *places))
                case found:
                    return found

        def take(step: Step) -> StepResult:
            match step:
                case HeadCheck():
                    return planner.check(step.item)
                case Inspect():
                    return planner.plan(step.item)
                case CopyTask():
                    return executor.execute(step)

        return lambda step: guarded(step, work)

    @property
    def gone(self) -> GoneSources:
        """Tells what is gone upstream."""
        reader = RetryingReader(self.tools.reader, self._retry)
        return GoneSources(
            self.tools.state,
            lambda place: reader.read_digest(place, side=Side.DESTINATION),
            _now().timestamp(),
            is_writing=not self.options.is_dry_run,
        )

    def bring_signatures(self, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """Bring after each image what is signed about it."""
        signatures = Signatures(
            self.tools.reader, self.tools.tool, self._retry, jobs=self.tools.copies.most
        )
        done: dict[Result, Result] = {}
        with self._progress(len(results), "signatures", Transfers()) as shown:
            for result, followed in map_bounded(
                signatures.guarded_follow, FifoQueue(results), jobs=HEADS_AT_ONCE
            ):
                done[result] = followed
                shown.step("" if followed == result else result_line(followed, self.settings.words))
        return tuple(done[result] for result in results)

    @property
    def _retry(self) -> RetryPolicy:
        """How a passing fault is tried again, anywhere in the run."""
        return RetryPolicy(
            self.settings.retries, self.options.retry_base, self.stop.sleep, self._on_retry
        )

    def _on_retry(self, error: ImageError, delay: float) -> None:
        _log.warning("%s; trying again in %.0f s", error.message, delay)
        if error.kind is ErrorKind.RATE_LIMITED:
            self.tools.copies.slow_down()


def _now() -> datetime:
    return datetime.now(timezone.utc)
