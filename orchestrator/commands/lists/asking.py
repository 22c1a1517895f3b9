"""The `ask` command: an issue on GitHub is a request, and one comment is its answer.

Who may not ask is answered by nothing: no registry and no API is asked for them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from orchestrator.asking.answer import MARKER, MIRRORED, NOT_MIRRORED, Answer, comment
from orchestrator.asking.event import IssueRequest, read_event
from orchestrator.asking.github_api import GitHubApi
from orchestrator.asking.wishes import Wish, read_wishes
from orchestrator.commands.inputs import Invocation, chosen_targets
from orchestrator.commands.lists.importing import (
    ListLine,
    content_of_list,
    missing_lines,
    with_lines,
    without_clashes,
)
from orchestrator.commands.reporting.conclude import conclude
from orchestrator.config.image_list import Entry, ImageList, parse_list
from orchestrator.errors import ConfigurationError, ExitStatus, SyncerError, UsageError
from orchestrator.manifests.mirrored import choice_of, serves, source_of
from orchestrator.manifests.usage import Reading
from orchestrator.oci.json_text import parse_json
from orchestrator.report.github import stopped_commands
from orchestrator.report.result import Outcome, Report, Result
from orchestrator.sync.run import RunOptions, run_sync
from orchestrator.sync.session import StopSignal
from orchestrator.system.http import HttpClient
from orchestrator.text import human_bytes

_log = logging.getLogger(__name__)

MOST_IMAGES = 20
MOST_BYTES = 20 * 1000**3
"""Of one issue: what has to be moved for it."""
MOST_ISSUES = 20
"""That one person may open in a day."""
_LARGEST_EVENT = 16 * 1024 * 1024


@dataclass(frozen=True)
class _Asked:
    """A wish with the entry that carries it out.

    Attributes:
        line: For the list; empty where the list has it.
    """

    wish: Wish
    entry: Entry
    line: str = ""


def run(invocation: Invocation) -> ExitStatus:
    """Answer an issue; the status is 0 once it is answered, whatever became of its images.

    Raises:
        UsageError: The event is none.
        ConfigurationError: GitHub or the list can't be read or written.
    """
    raw = _event_of(invocation)
    request = read_event(raw)
    err = invocation.streams.err
    if not request.is_for_us:
        print(f"issue {request.number} asks for no image: nothing is done", file=err)
        return ExitStatus.OK
    if not request.is_allowed(invocation.settings.askers):
        print(
            f"issue {request.number}: its author may not ask: nothing is done\n"
            "  -> name who may, beside owner, members and collaborators, in the variable ASKERS",
            file=err,
        )
        return ExitStatus.OK
    with closing(HttpClient()) as http:
        _answer(request, _api(http, invocation), _default_branch(raw), invocation)
    return ExitStatus.OK


def _event_of(invocation: Invocation) -> bytes:
    path = Path(invocation.arguments.event or "")
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_EVENT)
    except OSError as error:
        raise UsageError(f"--event: {path} can't be read: {error.strerror}") from None


def _default_branch(raw: bytes) -> str:
    event = parse_json(raw)
    repository = event.get("repository") if isinstance(event, dict) else None
    branch = repository.get("default_branch") if isinstance(repository, dict) else None
    return branch if isinstance(branch, str) else "main"


def _api(http: HttpClient, invocation: Invocation) -> GitHubApi:
    environ = invocation.environ
    repository, token = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_TOKEN", "")
    if not repository or not token:
        raise ConfigurationError(
            "GITHUB_REPOSITORY and GITHUB_TOKEN say where an issue is answered, and one is not set",
            hint="ask is for GitHub Actions: the workflow 05 Ask sets both",
        )
    url = environ.get("GITHUB_API_URL", "https://api.github.com")
    return GitHubApi(http, url, repository, token)


def _answer(request: IssueRequest, api: GitHubApi, branch: str, invocation: Invocation) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    if api.issues_since(request.author, yesterday) > MOST_ISSUES:
        said = f"More than {MOST_ISSUES} issues were opened in a day: edit this one tomorrow."
        _tell(request, api, (), (said,), invocation)
        return
    wishes = read_wishes(request.images, platform=request.platform)
    try:
        asked, answers = _carried_out(wishes, request, invocation)
    except SyncerError as error:
        why = f"Nothing was tried: {invocation.redact(error.message)}"
        untried = [Answer(wish, problem=wish.problem or "not tried") for wish in wishes]
        _tell(request, api, untried, (why,), invocation)
        raise
    notes = _keep(request, asked, answers, api, branch) if request.keeps else ()
    _tell(request, api, answers, notes, invocation)


def _carried_out(
    wishes: tuple[Wish, ...], request: IssueRequest, invocation: Invocation
) -> tuple[list[_Asked], list[Answer]]:
    content = content_of_list(_list_of(invocation))
    # Before the list is looked at for each: an issue may name ten thousand.
    possible = [one for one in wishes if not one.problem]
    asked, refused = _entries(possible[:MOST_IMAGES], content, invocation)
    refused |= {
        id(wish): f"left out: an issue has {MOST_IMAGES} images at most"
        for wish in possible[MOST_IMAGES:]
    }
    results = _mirror(asked, refused, request, invocation)
    return asked, [_answer_to(wish, asked, refused, results) for wish in wishes]


def _list_of(invocation: Invocation) -> Path:
    named = invocation.arguments.file
    return Path(named) if named else invocation.settings.base / "images.txt"


def _entries(
    wishes: Iterable[Wish], content: bytes, invocation: Invocation
) -> tuple[list[_Asked], dict[int, str]]:
    """What can be carried out, and why the rest can't, by the wish's identity.

    What the list has is carried out as the list has it; what it has not must not take the place
    of anything that it has.
    """
    settings = invocation.settings
    listed = parse_list(content, file="images.txt")
    asked: list[_Asked] = []
    refused: dict[int, str] = {}
    for wish in wishes:
        source, wanted = source_of(wish.usage), choice_of(wish.usage)
        lines, _ = missing_lines(Reading((wish.usage,)), (), settings)
        own = next(
            (
                one
                for one in listed.entries
                if one.source == source
                and serves(one.platform or settings.default_platform, wanted)
            ),
            None,
        )
        if own or not lines:
            if own:
                asked.append(_Asked(wish, own))
            else:
                refused[id(wish)] = "it is in the mirror already"
            continue
        (line,) = lines
        kept, notes = without_clashes(content, [ListLine(line, "", 1)], invocation)
        if not kept:
            refused[id(wish)] = notes[0][1].text
            continue
        (entry,) = parse_list(line.encode(), file="").entries
        asked.append(_Asked(wish, entry, line))
    return asked, refused


def _mirror(
    asked: list[_Asked], refused: dict[int, str], request: IssueRequest, invocation: Invocation
) -> tuple[Result, ...]:
    """Plan first, since the bytes are limited; then do what is left, in one run."""
    targets = chosen_targets(invocation.arguments, invocation.settings)
    planned = _run(asked, targets, request, invocation, is_dry_run=True) if asked else None
    budget = MOST_BYTES
    left: list[_Asked] = []
    for one in asked:
        moved = sum(
            result.bytes
            for result in (planned.results if planned else ())
            if _is_of(result, one) and result.outcome is Outcome.WOULD_COPY
        )
        budget -= moved
        if budget < 0:
            budget += moved
            refused[id(one.wish)] = (
                f"left out: {human_bytes(moved)} more than the {human_bytes(MOST_BYTES)} that an "
                "issue may move; ask for it alone, or add it to images.txt"
            )
        else:
            left.append(one)
    if not left:
        return ()
    report = _run(left, targets, request, invocation, is_dry_run=False)
    refused |= {id(left[one.line - 1].wish): one.message for one in report.problems if one.line}
    return report.redacted(invocation.redact).results


def _run(
    asked: list[_Asked],
    targets: tuple[str, ...],
    request: IssueRequest,
    invocation: Invocation,
    *,
    is_dry_run: bool,
) -> Report:
    name = f"issue {request.number}"
    entries = tuple(
        replace(one.entry, line=line, column=1) for line, one in enumerate(asked, start=1)
    )
    err, settings = invocation.streams.err, invocation.settings
    stop = StopSignal()
    with stop.on_signals():
        with stopped_commands(err, settings.github, title="syncer ask"):
            options = RunOptions(targets=targets, is_dry_run=is_dry_run, stop=stop)
            report = run_sync(ImageList(name, entries), settings, options, stderr=err)
        if not is_dry_run:
            conclude(report.redacted(invocation.redact), invocation, file=name)
    return report


def _is_of(result: Result, one: _Asked) -> bool:
    platform = one.entry.platform
    is_same = platform is None or platform.in_any_order == result.item.choice.in_any_order
    return result.item.source == one.entry.source and is_same


def _answer_to(
    wish: Wish, asked: list[_Asked], refused: dict[int, str], results: tuple[Result, ...]
) -> Answer:
    if wish.problem or id(wish) in refused:
        return Answer(wish, problem=refused.get(id(wish), wish.problem))
    one = next(one for one in asked if one.wish is wish)
    found = tuple(result for result in results if _is_of(result, one))
    return Answer(wish, found, "" if found else "it was not tried: see the log of the run")


def _keep(
    request: IssueRequest,
    asked: list[_Asked],
    answers: Iterable[Answer],
    api: GitHubApi,
    branch: str,
) -> tuple[str, ...]:
    """Add what is mirrored to the list, by a commit; what the list has by now is not added."""
    well = {id(answer.wish) for answer in answers if answer.is_well}
    lines = [one.line for one in asked if one.line and id(one.wish) in well]
    if not lines:
        return ()

    def change(content: bytes) -> bytes:
        there = {line.strip() for line in content.decode("utf-8", "replace").splitlines()}
        return with_lines(content, [line for line in lines if line not in there])

    message = f"Mirror what issue #{request.number} asks for\n\n" + "\n".join(lines)
    try:
        api.change_file("images.txt", change, message=message, branch=branch)
    except SyncerError as error:
        _log.warning("images.txt is not changed: %s", error)
        return (f"images.txt could not be changed: {error.message}",)
    return (f"images.txt has {len(lines)} more: each run keeps them up to date.",)


def _tell(
    request: IssueRequest,
    api: GitHubApi,
    answers: Iterable[Answer],
    notes: tuple[str, ...],
    invocation: Invocation,
) -> None:
    """One comment, a label, and the issue's state, in the order in which a reader needs them."""
    told = tuple(answers)
    github = invocation.settings.github
    text = comment(told, notes=notes, run_url=github.run_url if github else "")
    api.answer(request.number, text, marker=MARKER)
    is_well = bool(told) and all(answer.is_well for answer in told)
    labels = (MIRRORED, NOT_MIRRORED) if is_well else (NOT_MIRRORED, MIRRORED)
    api.set_label(request.number, labels[0], instead_of=labels[1])
    if is_well != request.is_closed:
        api.set_state(request.number, is_closed=is_well)
    print(f"issue {request.number} is answered", file=invocation.streams.err)
