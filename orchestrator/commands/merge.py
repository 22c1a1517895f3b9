"""The `merge` command: the reports of all shards become one, which is told as a run's is."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

from orchestrator.commands.inputs import Invocation, chosen_targets, ready_items
from orchestrator.commands.reporting.conclude import conclude
from orchestrator.commands.reporting.read import read_reports
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.plan.shard import MOST_SHARDS
from orchestrator.report.merge import ShardReport, merged_report
from orchestrator.text import first_lines

_log = logging.getLogger(__name__)


def run(invocation: Invocation) -> ExitStatus:
    """Merge, and tell; the status is the one that a single run would have had."""
    arguments, settings = invocation.arguments, invocation.settings
    images, named = ready_items(arguments, settings)
    # A shard whose report can't be read is lost, and its items say so.
    reports = tuple(report for _, report in read_reports(arguments.reports))
    report = merged_report(
        named,
        reports,
        count=_count(reports, arguments.shards),
        mode=",".join(chosen_targets(arguments, settings)),
        now=datetime.now(timezone.utc),
        choosing={entry.line for entry in images.entries if entry.selection},
    )
    for warning in first_lines(report.warnings, of="warnings"):
        _log.warning("%s", warning)
    conclude(report.redacted(invocation.redact), invocation, file=images.file)
    return report.exit_status


def _count(reports: tuple[ShardReport, ...], given: str | None) -> int:
    """How many shards there were: as it was typed, else as every report says.

    Raises:
        UsageError: Nobody says it, or two say different things.
    """
    counts = {one.shard.count for one in reports}
    if given is not None:
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= MOST_SHARDS:
            raise UsageError(
                f"--shards: '{given}' is no number of shards",
                hint=f"write a number from 1 to {MOST_SHARDS}",
            )
        counts.add(int(given))
    if len(counts) != 1:
        told = "of different numbers of shards" if counts else "missing, all of them"
        raise UsageError(
            f"the reports are {told}",
            hint="say how many shards there were, as in --shards=4, and give only their reports",
        )
    numbers = [one.shard.number for one in reports]
    twice = next((number for number in numbers if numbers.count(number) > 1), 0)
    if twice:
        raise UsageError(f"there are two reports of shard {twice}", hint="give each shard's once")
    return counts.pop()
