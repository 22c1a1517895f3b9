"""A run that did not begin: why, said to the person, to GitHub's runner, and to the chats.

Nothing here needs an installed package, so that a failed installation is told by it, too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from orchestrator import __version__
from orchestrator.cli.arguments import Arguments
from orchestrator.cli.table import command_named
from orchestrator.commands.reporting.plain_http import PlainHttp
from orchestrator.config.settings import GitHubStep, Webhook, github_step
from orchestrator.config.values import web_url
from orchestrator.errors import (
    FormatError,
    InterruptedRunError,
    LockedError,
    SyncerError,
    ToolMissingError,
    UsageError,
)
from orchestrator.notify.delivery import Poster, Sender
from orchestrator.notify.send import send_all
from orchestrator.report.github import (
    StepOutput,
    of_error,
    output_of_run,
    stopped_commands,
    write_output,
)
from orchestrator.report.json_report import document
from orchestrator.report.result import Report, new_run_id
from orchestrator.system.files import write_whole
from orchestrator.text import printable

_log = logging.getLogger(__name__)

_NOT_TOLD = (UsageError, LockedError, InterruptedRunError)
"""Somebody has just typed it, another run is at work, or it was to end."""


def write_error(error: SyncerError, github: GitHubStep | None, err: TextIO) -> None:
    """Say why nothing was done."""
    with stopped_commands(err, github):
        print(printable(f"syncer: {error.message}"), file=err)
        if error.hint:
            print(printable(f"  -> {error.hint}"), file=err)


def write_failure(
    error: SyncerError, arguments: Arguments, github: GitHubStep | None, err: TextIO
) -> Report | None:
    """Write whatever a run would have written; None where the command is no run.

    Args:
        error: Why there was none.
        arguments: What was typed.
        github: The runner, where this is one.
        err: Where messages go.
    """
    write_error(error, github, err)
    is_run = command_named(arguments.command).module == "batch" and arguments.command != "plan"
    report = _report_of(error, arguments) if is_run else None
    if report and arguments.report:
        try:
            write_whole(Path(arguments.report), document(report))
        except SyncerError as other:
            _log.warning("%s", other.message)
    if report and github:
        said = output_of_run(report, file="", written=arguments.report, badge=arguments.badge)
        write_output(said, github, err)
    elif github:
        write_output(StepOutput(of_error(error)), github, err)
    return report


def _report_of(error: SyncerError, arguments: Arguments) -> Report:
    """The report of a run that did not begin."""
    now = datetime.now(timezone.utc)
    return Report(
        run_id=new_run_id(now),
        version=__version__,
        mode="",
        started=now,
        finished=now,
        shard=arguments.shard or "",
        is_dry_run=arguments.dry_run,
        error=error,
    )


def is_told(error: SyncerError) -> bool:
    """Whether the chats hear of it."""
    return not isinstance(error, _NOT_TOLD)


def tell_failure(
    report: Report, webhooks: Iterable[Webhook], http: Poster, github: GitHubStep | None
) -> None:
    """Tell the chats; that one does not take it is a warning."""
    sender = Sender(http, lambda: datetime.now(timezone.utc), time.sleep)
    run_url = github.run_url if github else ""
    for warning in send_all(report, webhooks, sender, run_url=run_url, document=document(report)):
        _log.warning("%s", warning)


def tell_of_installation(environ: Mapping[str, str], err: TextIO) -> None:
    """Say on GitHub that the installation failed, with nothing but the standard library.

    Args:
        environ: The step's environment, with WEBHOOK_URL, WEBHOOK_SECRET and HEARTBEAT_URL.
        err: Where messages go.
    """
    github = github_step(environ)
    error = ToolMissingError(
        "the installation failed, so nothing was mirrored",
        hint="the log of the step 'Install' says why; where a package could not be fetched, "
        "run the workflow again",
    )
    report = write_failure(error, Arguments("batch", badge="badge"), github, err)
    if report:
        with stopped_commands(err, github):
            tell_failure(report, _webhooks(environ), PlainHttp(), github)


def _webhooks(environ: Mapping[str, str]) -> tuple[Webhook, ...]:
    chat = Webhook(environ.get("WEBHOOK_URL", ""), environ.get("WEBHOOK_SECRET", ""))
    monitor = Webhook(environ.get("HEARTBEAT_URL", ""), format="heartbeat")
    return tuple(one for one in (chat, monitor) if _is_web_url(one.url))


def _is_web_url(text: str) -> bool:
    try:
        web_url(text)
    except FormatError:
        return False
    return True
