"""HTTP by the standard library alone: a failed installation is told without any package."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator import __version__
from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.system.http import BODY_LIMIT, READ_TIMEOUT, HttpError, Response


class PlainHttp:
    """Posts, where requests could not be installed."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send a body; http and https only, and no redirect is followed.

        Raises:
            HttpError: There was no answer.
        """
        import urllib.request as plain  # noqa: PLC0415
        from http.client import HTTPException  # noqa: PLC0415

        opener = plain.OpenerDirector()
        for handler in (plain.ProxyHandler(), plain.HTTPHandler(), plain.HTTPSHandler()):
            opener.add_handler(handler)
        named = {"User-Agent": f"docker-image-syncer/{__version__}", **headers}
        request = plain.Request(url, body, named, method="POST")  # noqa: S310 - http alone
        try:
            with opener.open(request, timeout=READ_TIMEOUT) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, found, answer.read(BODY_LIMIT))
        except (OSError, ValueError, HTTPException):
            fault = HttpError(ErrorKind.UNREACHABLE, f"{host_of(url)} can't be reached")
        raise fault
