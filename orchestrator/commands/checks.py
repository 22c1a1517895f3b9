"""What the doctor found, for eyes and for programs: a line for each check, and its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from orchestrator.config.settings import Webhook
from orchestrator.errors import ExitStatus
from orchestrator.hosts import host_of
from orchestrator.oci.reference import Reference
from orchestrator.registry.pull_limit import PullLimit
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.report.json_report import SCHEMA, as_document
from orchestrator.report.tables import Columns, markdown_table
from orchestrator.system.terminal import coloured
from orchestrator.text import one_line

_LONGEST = 500


class CheckStatus(Enum):
    """How a check ended; the value is the word that stands before it."""

    FINE = "ok"
    NOTE = "note"
    WRONG = "WRONG"


_COLOURS = {
    CheckStatus.FINE: "green",
    CheckStatus.NOTE: "yellow",
    CheckStatus.WRONG: "red",
}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        subject: What was checked: `skopeo`, `target ghcr`.
        status: How the check ended.
        finding: What was found, as a sentence without its subject.
        remedy: What to do about it; empty where nothing has to be done.
        is_configuration: Whether it is the configuration that is wrong.
    """

    subject: str
    status: CheckStatus
    finding: str
    remedy: str = ""
    is_configuration: bool = False

    def redacted(self, redact: Callable[[str], str]) -> CheckResult:
        """The same without secrets, and no longer than anybody reads."""
        finding, remedy = redact(self.finding)[:_LONGEST], redact(self.remedy)[:_LONGEST]
        return replace(self, finding=finding, remedy=remedy)


def check_pull_limit(
    limit: PullLimit | None, *, has_login: bool, was_asked: bool = True
) -> CheckResult:
    """How many pulls Docker Hub's limit leaves, where it could be asked."""
    if limit is None and not was_asked:
        return CheckResult("pull limit", CheckStatus.NOTE, "Docker Hub could not be asked")
    if limit is None:
        return CheckResult("pull limit", CheckStatus.FINE, "Docker Hub names none here")
    finding = f"Docker Hub leaves {limit.remaining} of {limit.limit} pulls"
    if limit.remaining:
        return CheckResult("pull limit", CheckStatus.FINE, finding)
    login = "" if has_login else ", or set DOCKERHUB_USERNAME and DOCKERHUB_TOKEN for more"
    return CheckResult(
        "pull limit", CheckStatus.WRONG, finding, f"wait for the next of its six hours{login}"
    )


def check_webhooks(webhooks: tuple[Webhook, ...]) -> CheckResult:
    """Which webhooks would be notified; none is."""
    if not webhooks:
        return CheckResult("webhooks", CheckStatus.NOTE, "none is set, so that a run tells no chat")
    hosts = ", ".join([f"{host_of(one.url)} ({one.on.value})" for one in webhooks])
    return CheckResult("webhooks", CheckStatus.FINE, f"{hosts}; nothing was sent")


def mirror_check(source: Reference, place: str, found: object) -> CheckResult:
    """Whether a source's mirror answers, by its answer; what it lacks comes from the source."""
    status, remedy = CheckStatus.FINE, ""
    finding = f"{place} answers, and has {source.familiar}"
    if isinstance(found, NotFound):
        finding = f"{place} answers, and has no {source.familiar}: the source itself is read for it"
    if isinstance(found, Inconclusive):
        status, finding = CheckStatus.WRONG, found.reason
        remedy = f"correct `mirror` in targets.toml; until then {source.registry} itself is read"
    return CheckResult(f"mirror of {source.registry}", status, finding, remedy)


def text_checks(checks: Iterable[CheckResult], *, is_coloured: bool) -> str:
    """A line for each check, and another for each remedy; the last one sums it up."""
    checks = tuple(checks)
    lines = [line for check in checks for line in _lines(check, is_coloured=is_coloured)]
    wrong = sum(check.status is CheckStatus.WRONG for check in checks)
    verdict = f"{wrong} of {len(checks)} checks found something wrong" if wrong else "all is fine"
    return "\n".join((*lines, "", verdict)) + "\n"


def markdown_checks(checks: Iterable[CheckResult]) -> str:
    """The same as a table for a page."""
    rows = [(one.status.value, one.subject, one.finding, one.remedy) for one in checks]
    return markdown_table(_COLUMNS, rows) + "\n"


def json_checks(checks: Iterable[CheckResult], *, status: ExitStatus) -> str:
    """The same for programs."""
    found = [
        {
            "subject": one.subject,
            "status": one.status.value.lower(),
            "message": one.finding,
            "hint": one.remedy,
        }
        for one in checks
    ]
    return as_document({"schema": SCHEMA, "exit_status": status.value, "checks": [*found]})


def _lines(check: CheckResult, *, is_coloured: bool) -> Iterator[str]:
    word = coloured(f"{check.status.value:<5}", _COLOURS[check.status] if is_coloured else "")
    yield f"{word}  {one_line(f'{check.subject}: {check.finding}')}"
    if check.remedy:
        yield f"       -> {one_line(check.remedy)}"


_COLUMNS = Columns(("", "check", "found", "what to do"))
