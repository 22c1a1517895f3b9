"""The end of a run: its report is written where it was asked for, and the chats are notified."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from orchestrator.commands.inputs import Invocation
from orchestrator.errors import SyncerError
from orchestrator.notify.delivery import Sender
from orchestrator.notify.send import is_monitor, send_all, send_start
from orchestrator.report.badge import badge_document, badge_of
from orchestrator.report.github import (
    output_of_run,
    stopped_commands,
    write_output,
)
from orchestrator.report.json_report import document
from orchestrator.report.metrics import metrics_text
from orchestrator.report.result import Report
from orchestrator.report.summary import View, markdown_summary, text_summary
from orchestrator.sync.session import StopSignal
from orchestrator.system.files import write_whole
from orchestrator.system.http import HttpClient
from orchestrator.system.streams import finish, is_reader_gone

_log = logging.getLogger(__name__)

_LONGEST_POST = 20.0
"""Seconds that a chat may take for the whole of its answer."""

_LAST_WAIT = 2.0
"""Seconds that a run which has ended waits for the monitor to hear that it began."""


def conclude(report: Report, invocation: Invocation, *, file: str) -> None:
    """Tell of a run in every way that was asked for; what fails in one is a warning.

    Files come first, as nothing keeps them waiting, and chats last, as they may. A signal that
    comes now ends what a chat is waited for, and nothing else.
    """
    arguments, settings, streams = invocation.arguments, invocation.settings, invocation.streams
    is_real = not report.is_dry_run
    with stopped_commands(streams.err, settings.github):
        if arguments.report:
            _attempt("the report", lambda: _write_report(report, Path(arguments.report or "")))
        if arguments.badge and is_real:
            badge = Path(arguments.badge)
            _attempt("the badge", lambda: write_whole(badge, badge_document(badge_of(report))))
        metrics = settings.metrics_file
        if metrics and is_real:
            _attempt("the metrics", lambda: write_whole(metrics, metrics_text(report)))
        _attempt("the output", lambda: _print(report, invocation))
    if settings.github:
        _attempt("GitHub's output", lambda: _tell_github(report, invocation, file))
    if settings.webhooks and not arguments.no_notify and is_real:
        with stopped_commands(streams.err, settings.github):
            _attempt("the webhooks", lambda: _notify(report, invocation))


@contextmanager
def start_told(invocation: Invocation, *, is_dry_run: bool) -> Iterator[None]:
    """Tell the monitors that a run has begun, beside the run, which they never keep waiting."""
    is_silent = is_dry_run or invocation.arguments.no_notify
    if is_silent or not any(map(is_monitor, invocation.settings.webhooks)):
        yield
        return
    http, over = HttpClient(deadline=_LONGEST_POST), threading.Event()
    thread = threading.Thread(
        target=_attempt, args=("the heartbeat", lambda: _tell_start(invocation, http, over))
    )
    with closing(http):
        thread.start()
        try:
            yield
        finally:
            thread.join(_LAST_WAIT)
            over.set()
            http.end_all()
            thread.join()


def _tell_start(invocation: Invocation, http: HttpClient, over: threading.Event) -> None:
    sender = Sender(http, lambda: datetime.now(timezone.utc), over.wait)
    for warning in send_start(invocation.settings.webhooks, sender):
        if not over.is_set():
            _log.warning("%s", invocation.redact(warning))


def _attempt(what: str, tell: Callable[[], None]) -> None:
    """Tell in one way; the run is over and its results stand, whatever goes wrong here."""
    try:
        tell()
    except SyncerError as error:
        _log.warning("%s", error.message)
    except OSError as error:
        if not is_reader_gone(error):
            _log.warning("%s can't be written: %s", what, error.strerror)
    except Exception as error:  # noqa: BLE001 - one way of telling never costs the others
        _log.warning("%s failed: %s: %s", what, type(error).__name__, error)
        _log.debug("this should not happen", exc_info=True)


def _write_report(report: Report, path: Path) -> None:
    write_whole(path, document(report))


def _print(report: Report, invocation: Invocation) -> None:
    out = invocation.streams.out
    try:
        out.write(_rendered(report, invocation))
        out.flush()
    except OSError:
        finish(out)
        raise


def _tell_github(report: Report, invocation: Invocation, file: str) -> None:
    arguments, github = invocation.arguments, invocation.settings.github
    if github:
        written = output_of_run(
            report,
            file=file,
            written=arguments.report,
            badge=arguments.badge,
            doubtful=invocation.settings.doubtful,
            words=invocation.settings.words,
        )
        write_output(written, github, invocation.streams.err)


def _notify(report: Report, invocation: Invocation) -> None:
    """Notify the chats; what they did not take is a warning, and stands in the written report."""
    settings, written = invocation.settings, invocation.arguments.report
    stop = StopSignal()
    http = HttpClient(deadline=_LONGEST_POST)
    with closing(http), stop.on_signals(), stop.ending(http.end_all):
        sender = Sender(http, lambda: datetime.now(timezone.utc), stop.sleep)
        run_url = settings.github.run_url if settings.github else ""
        warnings = send_all(
            report,
            settings.webhooks,
            sender,
            run_url=run_url,
            document=document(report),
            words=settings.words,
        )
    warnings = tuple(map(invocation.redact, warnings))
    for warning in warnings:
        _log.warning("%s", warning)
    if warnings and written and Path(written).is_file():
        _write_report(replace(report, warnings=(*report.warnings, *warnings)), Path(written))


def _rendered(report: Report, invocation: Invocation) -> str:
    """The report as stdout gets it."""
    arguments = invocation.arguments
    if arguments.output == "json":
        return document(report)
    view = View(invocation.screen, invocation.settings.words, lists_all=arguments.all)
    render = markdown_summary if arguments.output == "markdown" else text_summary
    return render(report, view)
