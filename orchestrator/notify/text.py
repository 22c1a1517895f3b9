"""What a message says, the same for every service: failures first, cut to the limit by bytes.

The product's name stands in every one: bots of Feishu and DingTalk may be set to take only
messages that hold a keyword.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import Enum

from orchestrator.errors import SyncerError
from orchestrator.notify.markup import Markup, short
from orchestrator.report.result import Outcome, Report, Result, of_outcome
from orchestrator.text import human_bytes, human_seconds

PRODUCT = "Docker Image Syncer"

_NAME_BYTES = 200
_SENTENCE_BYTES = 300


class Tone(Enum):
    """How a run went, as a colour and a symbol."""

    FAILED = ("red", "❌")
    UNFINISHED = ("orange", "⚠️")
    CHANGED = ("green", "✅")
    QUIET = ("grey", "☑️")

    @property
    def colour(self) -> str:
        """The colour."""
        return self.value[0]

    @property
    def symbol(self) -> str:
        """The symbol."""
        return self.value[1]


def tone_of(report: Report) -> Tone:
    """The tone of a run: what failed counts most, then what is unfinished, then what changed."""
    totals = report.totals
    if report.error or totals.failed or totals.invalid:
        return Tone.FAILED
    if report.is_interrupted or totals.deferred:
        return Tone.UNFINISHED
    return Tone.CHANGED if totals.copied else Tone.QUIET


def title_of(report: Report) -> str:
    """One line that says it all: `❌ Docker Image Syncer: 1 failed, 3 copied`."""
    if report.error:
        return f"{tone_of(report).symbol} {PRODUCT}: nothing was mirrored"
    totals = report.totals
    counted = {
        "failed": totals.failed,
        "bad lines" if totals.invalid > 1 else "bad line": totals.invalid,
        "deferred": totals.deferred,
        "copied": totals.copied,
    }
    parts = ["interrupted"] if report.is_interrupted else []
    parts += [f"{count} {word}" for word, count in counted.items() if count]
    quiet = f"all {totals.items} in sync" if totals.items else "nothing to do"
    return f"{tone_of(report).symbol} {PRODUCT}: {', '.join(parts) or quiet}"


def text_of(
    report: Report,
    markup: Markup,
    *,
    limit: int,
    head: Sequence[str] = (),
    foot: Sequence[str] = (),
) -> str:
    """The message's text.

    Args:
        report: What the message is about.
        markup: How the service writes.
        limit: Bytes, counted as JSON writes them; characters are never more than that.
        head: Lines before it, in the service's own markup.
        foot: Lines after it, which are not cut off either.
    """
    summary = tuple(markup.words(line) for line in _summary(report))
    blocks = tuple(_blocks(report, markup))
    return _fitted((*head, *summary), blocks, foot, limit=limit, newline=markup.newline)


def _summary(report: Report) -> Iterator[str]:
    if report.error:
        yield f"{PRODUCT} {report.version}"
        return
    totals = report.totals
    items = "1 item" if totals.items == 1 else f"{totals.items} items"
    counts = f"{items}: {totals.copied} copied, {totals.skipped} skipped, {totals.failed} failed"
    if totals.deferred:
        counts += f", {totals.deferred} deferred"
    yield f"{counts} · {human_bytes(totals.bytes)} · {human_seconds(report.seconds)}"
    shard = f", shard {report.shard}" if report.shard else ""
    mode = report.mode or "nowhere"
    yield short(f"{PRODUCT} {report.version} to {mode}{shard}", _NAME_BYTES)


def _blocks(report: Report, markup: Markup) -> Iterator[str]:
    """What is listed one by one, the most important first."""
    if report.error:
        yield _told("✗", report.error, markup)
    for result in of_outcome(report.results, Outcome.FAILED):
        yield _failure(result, markup)
    for problem in report.problems:
        yield f"✗ {markup.words(short(str(problem), _SENTENCE_BYTES))}"
    for result in of_outcome(report.results, Outcome.DEFERRED):
        yield f"… {_item(result, markup)}: deferred, {_words(result.reason, markup)}"
    for result in of_outcome(report.results, Outcome.COPIED):
        note = f"; {_words(result.note, markup)}" if result.note else ""
        line = f"✓ {_item(result, markup)}, {human_bytes(result.bytes)}{note}"
        yield f"{line}{markup.newline}↳ {markup.name(short(result.pull, _NAME_BYTES))}"
    for warning in report.warnings:
        yield f"! {_words(warning, markup)}"


def _told(line: str, error: SyncerError, markup: Markup) -> str:
    hint = f"{markup.newline}↳ {_words(error.hint, markup)}" if error.hint else ""
    return f"{line} {_words(error.message, markup)}{hint}"


def _failure(result: Result, markup: Markup) -> str:
    line = f"✗ {_item(result, markup)}:"
    if result.error:
        return _told(line, result.error, markup)
    return f"{line} {_words(result.reason, markup)}"


def _item(result: Result, markup: Markup) -> str:
    item = result.item
    source = markup.name(short(item.source.familiar, _NAME_BYTES))
    target = markup.name(short(item.target.name, _NAME_BYTES))
    return f"{source} ({short(str(item.choice), _NAME_BYTES)}) → {target}"


def _words(text: str, markup: Markup) -> str:
    return markup.words(short(text, _SENTENCE_BYTES))


def _fitted(
    head: Sequence[str], blocks: Sequence[str], foot: Sequence[str], *, limit: int, newline: str
) -> str:
    """Keep head and foot, and of the blocks what fits, saying how many more there are.

    One that is too long doesn't keep shorter ones behind it from being seen.
    """
    room = limit - _json_bytes(newline.join((*head, *foot)) + newline)
    sizes = [_json_bytes(block + newline) for block in blocks]
    if sum(sizes) <= room:
        return newline.join((*head, *blocks, *foot))
    room -= _json_bytes(_more(len(blocks)) + newline)
    kept: list[str] = []
    for block, size in zip(blocks, sizes, strict=True):
        if size <= room:
            kept.append(block)
            room -= size
    return newline.join((*head, *kept, _more(len(blocks) - len(kept)), *foot))


def _more(count: int) -> str:
    return f"… and {count} more"


def _json_bytes(text: str) -> int:
    """What a text takes inside a JSON string; at least its own bytes and characters."""
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2
