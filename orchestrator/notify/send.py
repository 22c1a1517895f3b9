"""Which webhooks are notified of a run; a warning for each that did not take the message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from orchestrator.config.settings import NotifyOn, Webhook
from orchestrator.errors import ExitStatus, did_you_mean
from orchestrator.hosts import host_of
from orchestrator.language import ENGLISH, Translations
from orchestrator.notify.delivery import Sender, hidden, place_of, send, send_once, tried
from orchestrator.notify.formats import FORMATS, format_of
from orchestrator.notify.message import Message, NotifyContext, Refusal
from orchestrator.notify.services import heartbeat
from orchestrator.report.result import Outcome, Report, of_outcome

_LONGEST_URL = 1000


def send_all(
    report: Report,
    webhooks: Iterable[Webhook],
    by: Sender,
    *,
    run_url: str,
    document: str,
    words: Translations = ENGLISH,
) -> tuple[str, ...]:
    """Notify every webhook that wants to know; a warning for each that did not take it.

    Nobody is notified of a dry run.

    Args:
        report: What the message is about.
        webhooks: To whom, and of which runs.
        by: How messages travel.
        run_url: Where the run's log is to be read; empty where there is none.
        document: The report as JSON, for those who take that.
        words: The readers' language.
    """
    if report.is_dry_run:
        return ()
    link = run_url if len(run_url) <= _LONGEST_URL else ""
    wanted = [webhook for webhook in webhooks if is_told(report, webhook.on)]
    return tuple(
        warning
        for webhook in wanted
        for warning in _send(report, by, NotifyContext(webhook, by.clock(), link, words, document))
    )


def send_start(webhooks: Iterable[Webhook], by: Sender) -> tuple[str, ...]:
    """Tell the monitors that a run has begun; a warning for each that did not take it."""
    return tuple(
        _warning(webhook, refusal)
        for webhook in filter(is_monitor, webhooks)
        if (refusal := send_once(webhook, heartbeat, heartbeat.begun(), by=by))
    )


def is_monitor(webhook: Webhook) -> bool:
    """Whether it raises the alarm where a run does not come."""
    return not webhook.mail and format_of(webhook) is heartbeat


def is_told(report: Report, on: NotifyOn) -> bool:
    """Whether this run is one that `WEBHOOK_ON` means."""
    is_failure = report.exit_status is not ExitStatus.OK
    is_newly_gone = any(not one.is_told for one in of_outcome(report.results, Outcome.KEPT))
    return {
        NotifyOn.ALWAYS: True,
        NotifyOn.CHANGE: is_failure or report.totals.copied > 0 or is_newly_gone,
        NotifyOn.FAILURE: is_failure,
    }[on]


def _send(report: Report, by: Sender, context: NotifyContext) -> Iterator[str]:
    webhook = context.webhook
    if webhook.mail:
        # Only now, so that a run without mail starts as fast as it can.
        from orchestrator.notify.mail import mail_of, post_mail  # noqa: PLC0415

        mail = mail_of(report, context, webhook.mail)
        refusal = tried(partial(post_mail, webhook, webhook.mail, mail), webhook, by)
        if refusal:
            yield _warning(webhook, refusal)
        return
    host = host_of(webhook.url)
    if webhook.format and webhook.format.lower() not in FORMATS:
        meant = did_you_mean(webhook.format, FORMATS) or f"there are {', '.join(FORMATS)}"
        yield f"webhook at {host}: there is no format '{webhook.format}'; {meant}"
    chat = format_of(webhook)

    def message() -> Message:
        return chat.payload(report, replace(context, now=by.clock()))

    refusal = send(webhook, chat, message, by=by)
    if refusal:
        yield _warning(webhook, refusal)


def _warning(webhook: Webhook, refusal: Refusal) -> str:
    hint = f"; {refusal.hint}" if refusal.hint else ""
    words = hidden(refusal.words, webhook)
    what = "mail server" if webhook.mail else "webhook"
    return f"the {what} at {place_of(webhook)} did not take the message: {words}{hint}"
