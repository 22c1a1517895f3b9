"""GitHub's REST API on this machine, for one repository: it checks what GitHub checks.

The token, the version's header, the types and lengths of what is sent, that a label or comment is
there, and that a file is still the one that was read (GitHub docs, "REST API").
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

BOT = "github-actions[bot]"
MOST_CHARACTERS = 65_536
MOST_BYTES = 1024**2
"""Of a file whose content stands in an answer; a larger one's is empty."""


@dataclass
class GitHubStandIn:
    """What GitHub has of a repository.

    Attributes:
        labels: Of the issue.
        comments: By their ids, each with its author.
        issues: When each issue of the author was opened.
        asked: Each request that came, as `METHOD path`.
        refused: Why requests were refused.
    """

    token: str
    repository: str = "octocat/mirror"
    state: str = "open"
    labels: set[str] = field(default_factory=set)
    comments: dict[int, tuple[str, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    conflicts: int = 0
    url: str = ""

    @property
    def answers(self) -> list[str]:
        """The comments of ours."""
        return [body for author, body in self.comments.values() if author == BOT]

    @contextmanager
    def serving(self) -> Iterator[GitHubStandIn]:
        """Answer on a free port."""
        stand_in = self

        class Handler(_Handler):
            github = stand_in

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(  # noqa: C901, PLR0911  (a table of what GitHub can be asked)
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, object]
    ) -> tuple[int, object]:
        """What GitHub answers to a request that may be made."""
        page = int(query.get("page", ["1"])[0])
        size = int(query.get("per_page", ["30"])[0])
        match method, path.split("/"):
            case "GET", ["issues"]:
                return 200, [{"number": 1, "created_at": when} for when in self.issues][:size]
            case "GET", ["issues", _, "comments"]:
                all_of = [
                    {"id": number, "user": {"login": author}, "body": text}
                    for number, (author, text) in self.comments.items()
                ]
                return 200, all_of[(page - 1) * size : page * size]
            case "POST", ["issues", _, "comments"]:
                return self._comment(len(self.comments) + 1, body, 201)
            case "PATCH", ["issues", "comments", number] if int(number) in self.comments:
                return self._comment(int(number), body, 200)
            case "DELETE", ["issues", _, "labels", label]:
                if label not in self.labels:
                    return 404, {"message": "Label does not exist"}
                self.labels.remove(label)
                return 200, []
            case "POST", ["issues", _, "labels"]:
                labels = body.get("labels")
                assert isinstance(labels, list)
                assert all(isinstance(one, str) and 0 < len(one) <= 50 for one in labels)
                self.labels |= set(labels)
                return 200, []
            case "PATCH", ["issues", number] if number.isdigit():
                assert body["state"] in ("open", "closed")
                assert body.get("state_reason") in (None, "completed", "not_planned", "reopened")
                self.state = str(body["state"])
                return 200, {}
            case "GET", ["contents", name] if name in self.files:
                content = base64.encodebytes(self.files[name]).decode()
                is_small = len(self.files[name]) <= MOST_BYTES
                given = {"content": content if is_small else "", "sha": _sha(self.files[name])}
                return 200, {**given, "encoding": "base64" if is_small else "none"}
            case "PUT", ["contents", name]:
                return self._commit(name, body)
            case _:
                return 404, {"message": "Not Found"}

    def _comment(self, number: int, body: dict[str, object], status: int) -> tuple[int, object]:
        text = body.get("body")
        if not isinstance(text, str) or not 0 < len(text) <= MOST_CHARACTERS:
            return 422, {"message": "Validation Failed"}
        self.comments[number] = (BOT, text)
        return status, {"id": number}

    def _commit(self, name: str, body: dict[str, object]) -> tuple[int, object]:
        if self.conflicts:
            self.conflicts -= 1
            self.files[name] += b"# from another commit\n"
        there = _sha(self.files[name]) if name in self.files else None
        if body.get("sha") != there:
            return 409, {"message": "is at another sha"}
        self.files[name] = base64.b64decode(str(body["content"]), validate=True)
        self.commits.append(str(body["message"]))
        return 200, {}


def _sha(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()  # noqa: S324 - as git names a blob


class _Handler(BaseHTTPRequestHandler):
    github: GitHubStandIn
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        github, parts = self.github, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        github.asked.append(f"{self.command} {self.path}")
        prefix = f"/repos/{github.repository}/"
        status, answer = 200, object()
        if self.headers["Authorization"] != f"Bearer {github.token}":
            status, answer = 401, {"message": "Bad credentials"}
        elif not parts.path.startswith(prefix):
            status, answer = 404, {"message": "Not Found"}
        elif not self.headers["User-Agent"] or not re.fullmatch(
            r"\d{4}-\d\d-\d\d", self.headers["X-GitHub-Api-Version"] or ""
        ):
            status, answer = 403, {"message": "Request forbidden by administrative rules"}
        else:
            body = json.loads(raw) if raw else {}
            path = unquote(parts.path.removeprefix(prefix))
            status, answer = github.answer(self.command, path, parse_qs(parts.query), body)
        if status >= 400:
            github.refused.append(f"{self.command} {self.path}: {status}")
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
