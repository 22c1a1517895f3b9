"""Which webhooks are notified of a run; a warning for each that did not take the message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.config.settings import NotifyOn, Webhook
from orchestrator.errors import ExitStatus, did_you_mean
from orchestrator.notify.delivery import Sender, hidden, send
from orchestrator.notify.formats import FORMATS, format_of
from orchestrator.notify.message import Message, NotifyContext
from orchestrator.report.result import Report
from orchestrator.system.http import host_of

_LONGEST_URL = 1000


def send_all(
    report: Report, webhooks: Iterable[Webhook], by: Sender, *, run_url: str, document: str
) -> tuple[str, ...]:
    """Notify every webhook that wants to know; a warning for each that did not take it.

    Nobody is notified of a dry run.

    Args:
        report: What the message is about.
        webhooks: To whom, and of which runs.
        by: How messages travel.
        run_url: Where the run's log is to be read; empty where there is none.
        document: The report as JSON, for those who take that.
    """
    if report.is_dry_run:
        return ()
    link = run_url if len(run_url) <= _LONGEST_URL else ""
    wanted = [webhook for webhook in webhooks if is_told(report, webhook.on)]
    return tuple(
        warning
        for webhook in wanted
        for warning in _send(report, webhook, by, run_url=link, document=document)
    )


def is_told(report: Report, on: NotifyOn) -> bool:
    """Whether this run is one that `WEBHOOK_ON` means."""
    is_failure = report.exit_status is not ExitStatus.OK
    return {
        NotifyOn.ALWAYS: True,
        NotifyOn.CHANGE: is_failure or report.totals.copied > 0,
        NotifyOn.FAILURE: is_failure,
    }[on]


def _send(
    report: Report, webhook: Webhook, by: Sender, *, run_url: str, document: str
) -> Iterator[str]:
    host = host_of(webhook.url)
    if webhook.format and webhook.format.lower() not in FORMATS:
        meant = did_you_mean(webhook.format, FORMATS) or f"there are {', '.join(FORMATS)}"
        yield f"webhook at {host}: there is no format '{webhook.format}'; {meant}"
    chat = format_of(webhook)

    def message() -> Message:
        return chat.payload(report, NotifyContext(webhook, by.clock(), run_url, document))

    refusal = send(webhook, chat, message, by=by)
    if refusal:
        hint = f"; {refusal.hint}" if refusal.hint else ""
        words = hidden(refusal.words, webhook)
        yield f"the webhook at {host} did not take the message: {words}{hint}"
