"""Connections that share one TLS context, and so the certificates that they trust.

requests has every new connection read all authorities anew, which takes 15 ms of processor
time each; here they are read once. The authorities are requests' own and the system's,
so that a company's proxy is trusted wherever skopeo trusts it. Imported late: it brings
requests with it.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager
from urllib3.util.ssl_ import create_urllib3_context

_HOSTS = 64
"""Hosts whose connections are kept."""


_connected: WeakSet[HTTPConnection] = WeakSet()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _connected.add(self)


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _connected.add(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


def end_connections() -> None:
    """End every connection that stands, so that whoever waits for an answer wakes up."""
    for connection in tuple(_connected):
        if connection.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class SharedTrust(HTTPAdapter):
    """An adapter whose connections all go by one TLS context, and can all be ended."""

    def __init__(self, verify: bool | str, connections: int) -> None:  # noqa: FBT001 - requests' own word
        self._context = trust(verify)
        super().__init__(_HOSTS, connections, pool_block=True)

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002 - requests' own word
        **options: object,
    ) -> None:
        """Give the context to direct connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        """Give the context to connections through a proxy."""
        manager: ProxyManager = super().proxy_manager_for(
            proxy, ssl_context=self._context, **options
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        """Do nothing: the context has the authorities, and need not read them again."""


def trust(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - requests' own word
    """A TLS context that trusts what `verify` names.

    Args:
        verify: Everything (False), the usual authorities (True), or a PEM file's or folder's.

    Raises:
        OSError: The authorities can't be read.
    """
    if verify is False:
        return create_urllib3_context(cert_reqs=ssl.CERT_NONE)
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if verify is True:
        context.load_default_certs()
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    elif Path(verify).is_dir():
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(verify)
    return context
