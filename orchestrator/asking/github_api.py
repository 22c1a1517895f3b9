"""GitHub's REST API, as far as an answer to an issue needs it; the one door to it.

GitHub docs, "REST API": issues, comments, labels, repository contents; version 2022-11-28. The
token is a header, and stands in no error.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import quote

from orchestrator.errors import ConfigurationError
from orchestrator.oci.json_text import Json, parse_json
from orchestrator.system.http import HttpClient, HttpError, Response

_PAGE = 100
_MOST_PAGES = 10
_TRIES = 3
_BOT = "github-actions[bot]"
"""Who writes with a workflow's own token."""


class GitHubApi:
    """One repository.

    Args:
        http: What asks.
        url: Of the API, as `https://api.github.com`.
        repository: `owner/name`.
        token: With the right to write issues, and contents where lines are kept.
    """

    def __init__(self, http: HttpClient, url: str, repository: str, token: str) -> None:
        self._http = http
        self._base = f"{url.rstrip('/')}/repos/{quote(repository)}"
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def issues_since(self, author: str, since: datetime) -> int:
        """How many issues an author has opened since then, as far as one page tells.

        Raises:
            ConfigurationError: GitHub does not say.
        """
        moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"issues?creator={quote(author)}&state=all&since={moment}&per_page={_PAGE}"
        found = self._read("GET", path)
        if not isinstance(found, list):
            return 0
        opened = (one.get("created_at") for one in found if isinstance(one, dict))
        return sum(isinstance(when, str) and when >= moment for when in opened)

    def answer(self, number: int, text: str, *, marker: str) -> None:
        """Write the one comment of ours, anew or over what it said.

        Args:
            number: Of the issue.
            text: Markdown that begins with `marker`.
            marker: What our comment is known by, if it was written by a workflow.

        Raises:
            ConfigurationError: GitHub does not take it.
        """
        comment = next(self._own_comments(number, marker), None)
        body: Json = {"body": text}
        if comment is None:
            self._read("POST", f"issues/{number}/comments", body)
        else:
            self._read("PATCH", f"issues/comments/{comment}", body)

    def _own_comments(self, number: int, marker: str) -> Iterator[int]:
        for page in range(1, _MOST_PAGES + 1):
            path = f"issues/{number}/comments?per_page={_PAGE}&page={page}"
            found = self._read("GET", path)
            comments = found if isinstance(found, list) else []
            for one in comments:
                if isinstance(one, dict) and _is_own(one, marker):
                    identity = one.get("id")
                    if isinstance(identity, int):
                        yield identity
            if len(comments) < _PAGE:
                return

    def set_label(self, number: int, label: str, *, instead_of: str) -> None:
        """Put a label on an issue, in the place of another one.

        Raises:
            ConfigurationError: GitHub does not take it.
        """
        self._read("DELETE", f"issues/{number}/labels/{quote(instead_of)}", may_be_missing=True)
        self._read("POST", f"issues/{number}/labels", {"labels": [label]})

    def set_state(self, number: int, *, is_closed: bool) -> None:
        """Close an issue as completed, or open it again.

        Raises:
            ConfigurationError: GitHub does not take it.
        """
        done: Json = {"state": "closed", "state_reason": "completed"}
        self._read("PATCH", f"issues/{number}", done if is_closed else {"state": "open"})

    def change_file(
        self, path: str, change: Callable[[bytes], bytes], *, message: str, branch: str
    ) -> None:
        """Commit a change to a file; another commit that comes between is read and kept.

        Raises:
            ConfigurationError: GitHub does not take it.
        """
        for last in (False,) * (_TRIES - 1) + (True,):
            old, sha = self._file(path, branch)
            new = change(old)
            if new == old:
                return
            body: dict[str, Json] = {
                "message": message,
                "content": base64.b64encode(new).decode(),
                "branch": branch,
            }
            answer = self._asked("PUT", f"contents/{quote(path)}", {**body, **sha})
            if answer.status != 409 or last:
                self._checked(answer, "PUT")
                return

    def _file(self, path: str, branch: str) -> tuple[bytes, dict[str, Json]]:
        found = self._read(
            "GET", f"contents/{quote(path)}?ref={quote(branch, safe='')}", may_be_missing=True
        )
        if not isinstance(found, dict):
            return b"", {}
        if found.get("encoding") != "base64":  # over 1 MB its content is left out
            raise ConfigurationError(f"{path} is too large for GitHub's API to change (1 MB)")
        content = found.get("content")
        raw = base64.b64decode(content) if isinstance(content, str) else b""
        return raw, {"sha": found.get("sha")}

    def _read(
        self, method: str, path: str, body: Json = None, *, may_be_missing: bool = False
    ) -> Json:
        answer = self._asked(method, path, body)
        if may_be_missing and answer.status == 404:
            return None
        return self._checked(answer, method)

    def _asked(self, method: str, path: str, body: Json) -> Response:
        content = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({"Content-Type": "application/json"} if content else {})}
        try:
            return self._http.request(method, f"{self._base}/{path}", headers=headers, body=content)
        except HttpError as error:
            raise ConfigurationError(f"GitHub was not reached: {error.message}") from None

    def _checked(self, answer: Response, method: str) -> Json:
        if 200 <= answer.status < 300:
            try:
                return parse_json(answer.body) if answer.body else None
            except ValueError:
                raise ConfigurationError("GitHub's answer is no JSON") from None
        hint = "the job needs 'issues: write', and 'contents: write' to keep lines"
        raise ConfigurationError(
            f"GitHub refused to be {'asked' if method == 'GET' else 'written to'} "
            f"(status {answer.status})",
            hint=hint if answer.status in (401, 403, 404) else "",
        )


def _is_own(comment: dict[str, Json], marker: str) -> bool:
    user, body = comment.get("user"), comment.get("body")
    by_bot = isinstance(user, dict) and user.get("login") == _BOT
    return by_bot and isinstance(body, str) and body.startswith(marker)
