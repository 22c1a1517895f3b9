"""Mail: the same text as a chat gets, by the user's own SMTP server.

Port 465 is TLS from the first byte (RFC 8314); on any other, STARTTLS has to be there before a
password or a report travels, unless the server is this machine.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from orchestrator.config.settings import MailServer, Webhook
from orchestrator.hosts import is_loopback
from orchestrator.notify.markup import PLAIN
from orchestrator.notify.message import NotifyContext, Refusal
from orchestrator.notify.text import text_of, title_of
from orchestrator.report.result import Report

_TEXT_BYTES = 100_000
_TLS_PORT = 465
_TIMEOUT = 20.0
"""Seconds for each answer of the server."""

_TRANSIENT = range(400, 500)
"""Replies that ask to come again (RFC 5321, section 4.2.1)."""


class _NoTlsError(OSError):
    """Neither a password nor a report may travel there."""


def mail_of(report: Report, context: NotifyContext, server: MailServer) -> bytes:
    """The mail for a report: its title as the subject, and a plain text."""
    title = title_of(report, context.words)
    foot = (context.run_url,) if context.run_url else ()
    text = text_of(report, PLAIN, context.words, limit=_TEXT_BYTES, head=(title, ""), foot=foot)
    mail = EmailMessage()
    mail["Subject"] = title
    mail["From"] = server.sender
    mail["To"] = ", ".join(addresses_of(context.webhook.url))
    mail["Date"] = format_datetime(context.now)
    mail["Message-ID"] = make_msgid(domain=server.sender.partition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.encode(errors="replace").decode())
    return mail.as_bytes(policy=SMTP)


def addresses_of(url: str) -> tuple[str, ...]:
    """Who gets it: `mailto:one@example.com,two@example.com`."""
    return tuple(url.removeprefix("mailto:").split(","))


def post_mail(webhook: Webhook, server: MailServer, mail: bytes) -> Refusal | None:
    """Hand it to the server; None where it was taken for everybody."""
    try:
        with _connection(server) as smtp:
            if server.username:
                smtp.login(server.username, server.password)
            left_out = smtp.sendmail(server.sender, addresses_of(webhook.url), mail)
    except OSError as error:  # smtplib's own are such, too
        return _refusal(error)
    if not left_out:
        return None
    # Another try would bring the mail to the others a second time.
    return replace(_refusal(smtplib.SMTPRecipientsRefused(left_out)), is_transient=False)


def _refusal(error: OSError) -> Refusal:
    match error:
        case smtplib.SMTPException():
            return _refusal_in_words(error)
        case _NoTlsError():
            return Refusal(
                "it offers no TLS", "use its port for TLS: smtp = 'mail.example.com:465'"
            )
        case ssl.SSLError():
            hint = "see that its certificate is valid, and that the port is the right one"
            return Refusal(f"it can't be spoken to by TLS ({error.reason})", hint)
    words = error.strerror or type(error).__name__
    return Refusal(f"it can't be reached: {words}", is_transient=True)


def _refusal_in_words(error: smtplib.SMTPException) -> Refusal:
    """What a server that was reached said."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return Refusal(
                f"the login is refused ({_words(error.smtp_code, error.smtp_error)})",
                "see username and password in [[notify]]; many providers want a password that is "
                "made for programs",
            )
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            transient = code in _TRANSIENT
            return Refusal(f"a recipient is refused ({_words(code, said)})", is_transient=transient)
        case smtplib.SMTPResponseException():
            transient = error.smtp_code in _TRANSIENT
            return Refusal(_words(error.smtp_code, error.smtp_error), is_transient=transient)
        case smtplib.SMTPServerDisconnected():
            return Refusal("it ended the connection", is_transient=True)
    # What is left of them is of smtplib's login.
    return Refusal(
        "it offers no login that this program has",
        "where it wants none, leave username and password out of [[notify]], and name from",
    )


def _connection(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.port == _TLS_PORT:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=trusted)
    smtp = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)
    try:
        smtp.ehlo_or_helo_if_needed()
        _begin_tls(smtp, server, trusted)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _begin_tls(smtp: smtplib.SMTP, server: MailServer, trusted: ssl.SSLContext) -> None:
    if smtp.has_extn("starttls"):
        smtp.starttls(context=trusted)
    elif not is_loopback(server.host):
        raise _NoTlsError


def _words(code: int, words: bytes | str) -> str:
    said = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{said.splitlines()[0] if said else 'no reason'} (code {code})"
