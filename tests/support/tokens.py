"""A token server as registries send their clients to, for tests with Bearer tokens.

What it hands out is signed with RS256 by a key whose certificate is the registry's
`rootcertbundle`: https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import threading
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, final
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from demo.registry import Login, TokenAuth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

_DAY = datetime.timedelta(days=1)
_NOBODY = ""
_LEEWAY = 60
"""Seconds that distribution's registry takes a token after its end."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and what they may do; the patterns are `fnmatch`'s, over repository names.

    The account without a login is everybody's.
    """

    login: Login | None = None
    pull: str = "*"
    push: str = "*"
    delete: str = ""

    def allows(self, repository: str, action: str) -> bool:
        """Whether `action`, pull, push or delete, is granted."""
        pattern = {"pull": self.pull, "push": self.push, "delete": self.delete}.get(action, "")
        return fnmatchcase(repository, pattern)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was handed out: to whom (empty: nobody known) and which scopes it holds."""

    user: str
    asked: tuple[str, ...]
    granted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """What a token server knows.

    `lifetime` is how many seconds the registry really takes a token. Below 60 it is a trap:
    skopeo believes no token to live shorter than that.
    """

    accounts: tuple[Account, ...] = (Account(),)
    lifetime: int = 300
    service: str = "laboratory"
    issuer: str = "laboratory"


@final
class TokenServer:
    """A running token server, as long as its `with` lasts."""

    def __init__(self, folder: Path, options: TokenOptions | None = None) -> None:
        self.options = options or TokenOptions()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._certificate = _certify(self._key)
        self._roots = folder / "token-roots.pem"
        self._roots.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self._lock = threading.Lock()
        self._grants: list[Grant] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> TokenServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def auth(self) -> TokenAuth:
        """What a registry has to be told, to send its clients here."""
        realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        return TokenAuth(realm, self.options.service, self.options.issuer, self._roots)

    def grants(self) -> tuple[Grant, ...]:
        """The tokens handed out so far."""
        with self._lock:
            return tuple(self._grants)

    def find_account(self, authorization: str) -> Account | None:
        """Whose the Authorization header is; None where the password is wrong."""
        login = _read_basic(authorization)
        return next((one for one in self.options.accounts if one.login == login), None)

    def issue(self, account: Account, scopes: Iterable[str]) -> Mapping[str, object]:
        """A token for as much of the scopes as the account may do."""
        asked = tuple(scopes)
        access = [_grant(account, scope) for scope in asked]
        user = account.login.user if account.login else _NOBODY
        granted = tuple(f"{one.type}:{one.name}:{','.join(one.actions)}" for one in access)
        with self._lock:
            self._grants.append(Grant(user, asked, granted))
        token = self._sign(user, [one.claim() for one in access if one.actions])
        lifetime = self.options.lifetime
        return {"token": token, "access_token": token, "expires_in": lifetime}

    def _sign(self, user: str, access: list[Mapping[str, object]]) -> str:
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": self.options.issuer,
            "aud": self.options.service,
            "sub": user,
            "iat": now,
            "nbf": now - 5,
            "exp": now + self.options.lifetime - _LEEWAY,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        signed = f"{_encode(_json(header))}.{_encode(_json(claims))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"


@dataclass(frozen=True, slots=True)
class _Access:
    type: str
    name: str
    actions: tuple[str, ...]

    def claim(self) -> Mapping[str, object]:
        return {"type": self.type, "name": self.name, "actions": list(self.actions)}


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, tokens: TokenServer) -> None:
        self.tokens = tokens
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
        account = self.server.tokens.find_account(self.headers.get("Authorization", ""))
        if account is None:
            refusal = {"code": "UNAUTHORIZED", "message": "authentication required"}
            self._reply(401, {"errors": [refusal]})
            return
        words = (one for scope in scopes for one in scope.split())
        self._reply(200, self.server.tokens.issue(account, words))

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def _reply(self, status: int, content: Mapping[str, object]) -> None:
        body = _json(content)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _grant(account: Account, scope: str) -> _Access:
    """A scope is `repository:NAME:ACTION,ACTION`; a name may hold a colon."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return _Access(kind, name, tuple(a for a in actions.split(",") if account.allows(name, a)))


def _read_basic(authorization: str) -> Login | None:
    scheme, _, coded = authorization.partition(" ")
    if scheme != "Basic":
        return None
    user, _, password = base64.b64decode(coded).decode().partition(":")
    return Login(user, password)


def _certify(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Laboratory Tokens")])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .sign(key, hashes.SHA256())
    )


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
