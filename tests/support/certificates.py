"""Throw-away certificates: an authority of one's own, and a server's for this machine."""

from __future__ import annotations

import datetime
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.registry import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DAY = datetime.timedelta(days=1)
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority's key is for; strict readers want it said."""


def make_certificate(
    folder: Path,
    *,
    names: Iterable[str] = ("localhost",),
    addresses: Iterable[str] = ("127.0.0.1",),
    expired: bool = False,
) -> Certificate:
    """A server's certificate for these names and addresses, and its authority's.

    The authority's file lies alone in its folder, which is therefore what skopeo calls a
    `--cert-dir`.
    """
    root_key, key = _make_key(), _make_key()
    root_name, name = _name("Laboratory Authority"), _name("Laboratory")
    root = _begin(root_name, root_name, root_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    root = root.add_extension(_SIGNS, critical=True).add_extension(
        x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False
    )
    listed = (
        *(x509.DNSName(one) for one in names),
        *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses),
    )
    server = _begin(name, root_name, key.public_key(), is_expired=expired).add_extension(
        x509.SubjectAlternativeName(listed), critical=False
    )
    # Python 3.13 and later insist on it (ssl.VERIFY_X509_STRICT).
    server = server.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
    )
    return Certificate(
        certificate=_write(folder / "server.pem", server.sign(root_key, hashes.SHA256())),
        key=_write_key(folder / "server-key.pem", key),
        authority=_write(folder / "authority" / "ca.crt", root.sign(root_key, hashes.SHA256())),
    )


def _make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    is_expired: bool = False,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * _DAY)
        .not_valid_after(now - _DAY if is_expired else now + _DAY)
    )


def _write(path: Path, certificate: x509.Certificate) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
