"""Mail, to a server on loopback that wants a login and TLS, or neither."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image
from demo.registry import Login
from orchestrator.config.settings import MailServer, Webhook
from orchestrator.notify.delivery import Sender
from orchestrator.notify.send import send_all
from orchestrator.system.http import HttpClient
from tests.support.certificates import make_certificate
from tests.support.loopback import dead_url
from tests.support.mailbox import Mailbox, serving_mail
from tests.support.reports import a_report, copied, failed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Site

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
LOGIN = Login("me@example.com", "mail-password-of-mine")
REPORT = a_report(copied("alpine:3"), failed("nginx:nope", "没有这个标签\r\nBcc: x@example.com"))
RUN = "https://github.com/me/mirror/actions/runs/1"


def tell(port: int, *, login: Login | None = None) -> tuple[tuple[str, ...], list[float]]:
    """The warnings, and how long was waited before the next tries."""
    name, password = (login.user, login.password) if login else ("", "")
    server = MailServer("127.0.0.1", port, "mirror@example.com", name, password)
    webhook = Webhook("mailto:you@example.com,ops@example.com", mail=server)
    slept: list[float] = []
    with closing(HttpClient()) as http:
        by = Sender(http, lambda: NOW, slept.append)
        return send_all(REPORT, [webhook], by, run_url=RUN, document="{}"), slept


def test_a_mail_says_what_a_chat_would_be_told_and_no_more_headers() -> None:
    with serving_mail(Mailbox()) as mailbox:
        assert tell(mailbox.port) == ((), [])
    mail = message_from_bytes(mailbox.taken[0], policy=policy.default)
    assert mailbox.recipients == ["you@example.com", "ops@example.com"]
    assert mail["Subject"] == "❌ Docker Image Syncer: 1 failed, 1 copied"
    assert (mail["From"], mail["Auto-Submitted"]) == ("mirror@example.com", "auto-generated")
    assert (mail["Bcc"], mail["Date"].datetime) == (None, NOW)
    text = mail.get_content()
    assert text.index("nginx:nope") < text.index("没有这个标签") < text.index("alpine:3")
    assert RUN in text


def test_a_wrong_login_is_said_at_once_and_the_password_nowhere() -> None:
    with serving_mail(Mailbox(LOGIN)) as mailbox:
        (warning,), slept = tell(mailbox.port, login=Login(LOGIN.user, "another-password"))
    assert warning.startswith("the mail server at 127.0.0.1 did not take the message: the login")
    assert "(code 535)); see username and password in [[notify]]" in warning
    assert "another-password" not in warning
    assert not slept


def test_a_server_that_is_busy_is_asked_again() -> None:
    with serving_mail(Mailbox(answers=["451 try again later"])) as mailbox:
        assert tell(mailbox.port) == ((), [2.0])
    assert len(mailbox.taken) == 1


def test_a_refusal_is_a_warning_in_the_servers_words() -> None:
    with serving_mail(Mailbox(answers=["554 that looks like spam"])) as mailbox:
        (warning,), slept = tell(mailbox.port)
    assert warning.endswith("did not take the message: that looks like spam (code 554)")
    assert not slept


def test_one_recipient_who_is_refused_is_a_warning_and_the_other_has_one_mail() -> None:
    with serving_mail(Mailbox(unknown=("ops@example.com",))) as mailbox:
        (warning,), slept = tell(mailbox.port)
    assert warning.endswith("a recipient is refused (no such mailbox (code 550))")
    assert (mailbox.recipients, len(mailbox.taken), slept) == (["you@example.com"], 1, [])


def test_a_server_without_logins_is_not_called_one_without_tls() -> None:
    with serving_mail(Mailbox(offers_logins=False)) as mailbox:
        (warning,), slept = tell(mailbox.port, login=LOGIN)
    assert "it offers no login that this program has; where it wants none, leave" in warning
    assert (mailbox.taken, slept) == ([], [])


def test_no_server_is_a_warning_after_three_tries() -> None:
    with dead_url() as url:
        (warning,), slept = tell(int(url.rpartition(":")[2]))
    assert warning.endswith("it can't be reached: Connection refused")
    assert slept == [2.0, 10.0]


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
def test_a_run_sends_mail_by_tls_with_the_login_or_not_at_all(
    site: Site, tmp_path: Path, *, is_trusted: bool
) -> None:
    site.publish(build_image("linux/amd64"))
    site.list_images(site.source())
    certificate = make_certificate(tmp_path)
    with serving_mail(Mailbox(LOGIN, certificate)) as mailbox:
        (site.folder / "targets.toml").write_text(
            f'[[notify]]\nurl = "mailto:you@example.com"\nsmtp = "127.0.0.1:{mailbox.port}"\n'
            f'username = "{LOGIN.user}"\npassword = "${{SMTP_PASSWORD}}"\n'
        )
        trust = {"SSL_CERT_FILE": str(certificate.authority)} if is_trusted else {}
        outcome = site.run("batch", environ={"SMTP_PASSWORD": LOGIN.password, **trust})
    assert outcome.status == 0
    assert mailbox.was_secret == ([True] if is_trusted else [])
    assert LOGIN.password not in outcome.stdout + outcome.stderr
    refused = "can't be spoken to by TLS" in outcome.stderr
    assert refused is not is_trusted
