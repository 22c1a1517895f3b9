"""The comment that answers an issue: a row for each image, and commands to pull and retag it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.asking.wishes import Wish
from orchestrator.catalog.clients import CLIENTS, PullClient
from orchestrator.report.result import Result
from orchestrator.report.tables import Columns, markdown_table, markdown_text
from orchestrator.text import human_bytes

MARKER = "<!-- docker-image-syncer: answer -->"
MIRRORED, NOT_MIRRORED = "mirrored", "not-mirrored"
"""The labels of an issue."""

_CLIENTS = tuple(one for one in CLIENTS if one.name in ("docker", "podman", "nerdctl", "ctr"))
_COLUMNS = Columns(("asked for", "image", "platform", "digest", "size", "state"))
_MOST_ROWS = 100
_LONGEST = 60_000
"""Characters; GitHub takes 65,536."""


@dataclass(frozen=True)
class Answer:
    """What became of one wish.

    Attributes:
        results: One for each target; empty where nothing was tried.
        problem: Why nothing was tried.
    """

    wish: Wish
    results: tuple[Result, ...] = ()
    problem: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the image is in every target."""
        return bool(self.results) and all(result.pull for result in self.results)


def comment(answers: Sequence[Answer], *, notes: Sequence[str] = (), run_url: str = "") -> str:
    """The whole comment, in Markdown in which nothing of others means anything."""
    well = sum(answer.is_well for answer in answers)
    title = f"### {well} of {len(answers)} images are mirrored"
    if not answers:
        title = "### Nothing is mirrored"
    said = notes if answers or notes else ("No image is named in this issue.",)
    hints = [f"- {markdown_text(note)}" for note in said]
    shown, hidden = answers[:_MOST_ROWS], len(answers[_MOST_ROWS:])
    if hidden:
        hints.append(f"- {hidden} more are not shown.")
    if well < len(answers) or not answers:
        hints.append("- Edit the issue to try again; one image a line is read best.")
    if run_url:
        hints.append(f"- [The log of this run]({run_url})")
    parts = [
        MARKER,
        title,
        markdown_table(_COLUMNS, [_row(answer) for answer in shown]) if shown else "",
        "\n".join(hints),
    ]
    text = "\n\n".join(filter(None, parts)) + "\n"
    for client in _CLIENTS:
        more = _commands(client, answers)
        if len(text) + len(more) < _LONGEST:
            text += more
    return text[:_LONGEST]


def _row(answer: Answer) -> tuple[str, ...]:
    wish = answer.wish
    if not answer.results:
        return wish.asked, "", "", "", "", answer.problem or wish.problem
    first = answer.results[0]
    digest = next((one.digest for one in answer.results if one.digest), "") or ""
    platforms = ", ".join(first.platforms) or first.delivered or str(first.item.choice)
    size = human_bytes(first.size) if first.size else ""
    state = "; ".join(dict.fromkeys(map(_state, answer.results)))
    return wish.asked, first.item.source.familiar, platforms, digest, size, state


def _state(result: Result) -> str:
    error = result.error
    if error:
        return f"{result.reason}: {error.message}" + (f"; {error.hint}" if error.hint else "")
    return result.outcome.value + (f": {result.note}" if result.note else "")


def _commands(client: PullClient, answers: Sequence[Answer]) -> str:
    lines = []
    for answer in answers:
        result = next((one for one in answer.results if one.pull), None)
        if result is None:
            continue
        source = result.item.source.by_tag
        name = str(source) if client.wants_full_names else source.familiar
        template = client.retag if source.tag else client.pull
        lines.append(template.format(address=result.pull, name=name))
    if not lines:
        return ""
    body = "\n".join(lines)
    return f"\n<details><summary>{client.name}</summary>\n\n```sh\n{body}\n```\n\n</details>\n"
