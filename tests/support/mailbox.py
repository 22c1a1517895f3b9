"""A mail server on this machine: it wants a login, offers TLS, and keeps what it is sent."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.registry import Certificate, Login


@dataclass
class Mailbox:
    """The server.

    Attributes:
        login: Who may send; None where everybody may.
        answers: What it says to the next mails, before it takes any.
        unknown: Who has no mailbox here.
    """

    login: Login | None = None
    certificate: Certificate | None = None
    answers: list[str] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    offers_logins: bool = True
    taken: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    was_secret: list[bool] = field(default_factory=list)
    protocols: list[SMTP] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or say that there is none."""
        del server, session, options
        if address in self.unknown:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or say why not."""
        del server
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(content)
        self.recipients += envelope.rcpt_tos
        self.was_secret.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        """Whether it is the login."""
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        assert self.login
        expected = (self.login.user.encode(), self.login.password.encode())
        return AuthResult(success=(data.login, data.password) == expected, handled=False)

    def protocol(self) -> SMTP:
        """A conversation with one client."""
        tls = None
        if self.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate.certificate, self.certificate.key)
        protocol = SMTP(
            self,
            hostname="mail.test",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=self.login is not None and tls is not None,
            auth_require_tls=tls is not None,
            authenticator=self.authenticate,
            auth_exclude_mechanism=() if self.offers_logins else ("LOGIN", "PLAIN"),
        )
        self.protocols.append(protocol)
        return protocol


@contextmanager
def serving_mail(mailbox: Mailbox) -> Iterator[Mailbox]:
    """The server at work, on a port that is free."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(mailbox.protocol, "127.0.0.1", 0))
    mailbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for protocol in mailbox.protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
