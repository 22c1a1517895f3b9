"""The commands that mirror, or plan it: run, report, notify."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from orchestrator.cli import Arguments
from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.config.settings import Settings
from orchestrator.errors import ExitStatus
from orchestrator.notify.delivery import Sender
from orchestrator.notify.send import send_all
from orchestrator.report.badge import badge_document, badge_of
from orchestrator.report.first_steps import not_set_up
from orchestrator.report.github import (
    output_of_nothing,
    output_of_run,
    stopped_commands,
    write_output,
)
from orchestrator.report.json_report import document
from orchestrator.report.result import Report
from orchestrator.report.summary import View, markdown_summary, text_summary
from orchestrator.sync.run import RunOptions, run_sync
from orchestrator.system.files import write_whole
from orchestrator.system.http import HttpClient

_log = logging.getLogger(__name__)


def run(invocation: Invocation) -> ExitStatus:
    """Do a run, or plan one; write the report, and notify the chats."""
    arguments, settings = invocation.arguments, invocation.settings
    err = invocation.streams.err
    targets = chosen_targets(arguments, settings)
    if not targets:
        print("SYNC_MODE is none: nothing to do", file=err)
        if settings.github:
            write_output(output_of_nothing(), settings.github, err)
        return ExitStatus.OK
    if settings.github and settings.is_untouched and arguments.command == "batch":
        print("nothing is set up yet, so there is nothing to do", file=err)
        write_output(not_set_up(settings.github), settings.github, err)
        return ExitStatus.OK
    images = read_images(arguments, settings)
    with stopped_commands(err, settings.github, title=f"syncer {arguments.command}"):
        report = run_sync(images, settings, _options(arguments, targets), stderr=err)
    tells = bool(settings.webhooks) and not (arguments.no_notify or report.is_dry_run)
    with stopped_commands(err, settings.github):
        if tells and not report.is_interrupted:
            report = _notified(report, settings)
        _write_report(report, invocation)
    if settings.github:
        output = output_of_run(
            report,
            file=images.file,
            written=arguments.report,
            badge=arguments.badge,
            doubtful=settings.doubtful,
        )
        write_output(output, settings.github, err, redact=invocation.redact)
    if tells and report.is_interrupted:
        # GitHub's runner ends us ten seconds after it has asked, so what stays comes first.
        with stopped_commands(err, settings.github):
            _notified(report, settings)
    return report.exit_status


def _options(arguments: Arguments, targets: tuple[str, ...]) -> RunOptions:
    return RunOptions(
        targets=targets,
        is_forced=arguments.force,
        is_dry_run=arguments.dry_run or arguments.command == "plan",
        fails_fast=arguments.fail_fast,
        is_strict=arguments.strict,
    )


def _notified(report: Report, settings: Settings) -> Report:
    """Notify the chats; what goes wrong there is a warning, never the run's result."""
    with closing(HttpClient()) as http:
        sender = Sender(http, lambda: datetime.now(timezone.utc), time.sleep)
        run_url = settings.github.run_url if settings.github else ""
        warnings = send_all(
            report, settings.webhooks, sender, run_url=run_url, document=document(report)
        )
    for warning in warnings:
        _log.warning("%s", warning)
    return replace(report, warnings=(*report.warnings, *warnings))


def _write_report(report: Report, invocation: Invocation) -> None:
    """Write the report where it was asked for."""
    arguments, redact, out = invocation.arguments, invocation.redact, invocation.streams.out
    try:
        out.write(redact(_rendered(report, invocation)))
        out.flush()
    finally:  # a reader of stdout that goes away does not cost the file
        if arguments.report:
            write_whole(Path(arguments.report), redact(document(report)))
        if arguments.badge and not report.is_dry_run:
            write_whole(Path(arguments.badge), badge_document(badge_of(report)))


def _rendered(report: Report, invocation: Invocation) -> str:
    """The report as stdout gets it."""
    arguments = invocation.arguments
    if arguments.output == "json":
        return document(report)
    view = View(invocation.screen, lists_all=arguments.all)
    render = markdown_summary if arguments.output == "markdown" else text_summary
    return render(report, view)
