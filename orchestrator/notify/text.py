"""What a message says, the same for every service: failures first, cut to the limit by bytes.

The product's name stands in every one: bots of Feishu and DingTalk may be set to take only
messages that hold a keyword.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator.language import ENGLISH, Translations
from orchestrator.notify.markup import Markup, short
from orchestrator.report.causes import hint_in, message_in
from orchestrator.report.result import Outcome, Report, Result, Totals, of_outcome
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


def title_of(report: Report, words: Translations = ENGLISH) -> str:
    """One line that says it all: `❌ Docker Image Syncer: 1 failed, 3 copied`."""
    return f"{tone_of(report).symbol} {PRODUCT}: {_gist(report, words)}"


def _gist(report: Report, words: Translations) -> str:
    if report.error:
        return words.gettext("nothing was mirrored")
    totals = report.totals
    counted = (
        (words.gettext("{n} failed"), totals.failed),
        (words.ngettext("{n} bad line", "{n} bad lines", totals.invalid), totals.invalid),
        (words.gettext("{n} deferred"), totals.deferred),
        (words.gettext("{n} copied"), totals.copied),
    )
    parts = [words.gettext("interrupted")] if report.is_interrupted else []
    parts += [text.format(n=count) for text, count in counted if count]
    if parts:
        return words.gettext(", ").join(parts)
    if totals.held or totals.kept:
        return words.gettext(", ").join(_at_rest(totals, words))
    if totals.items:
        return words.gettext("all {n} in sync").format(n=totals.items)
    return words.gettext("nothing to do")


def _at_rest(totals: Totals, words: Translations) -> Iterator[str]:
    """What needs nobody, and is not all in sync."""
    yield words.gettext("{n} in sync").format(n=totals.skipped)
    yield from _left_alone(totals, words)


def _left_alone(totals: Totals, words: Translations) -> Iterator[str]:
    if totals.held:
        yield words.gettext("{n} held back").format(n=totals.held)
    if totals.kept:
        yield words.gettext("{n} kept").format(n=totals.kept)


def text_of(
    report: Report,
    markup: Markup,
    words: Translations = ENGLISH,
    *,
    limit: int,
    head: Sequence[str] = (),
    foot: Sequence[str] = (),
) -> str:
    """The message's text.

    Args:
        report: What the message is about.
        markup: How the service writes.
        words: The readers' language.
        limit: Bytes, counted as JSON writes them; characters are never more than that.
        head: Lines before it, in the service's own markup.
        foot: Lines after it, which are not cut off either.
    """
    summary = tuple(markup.words(line) for line in _summary(report, words))
    message = _Lines((*head, *summary), tuple(_blocks(report, markup, words)), tuple(foot))
    more = words.gettext("… and {n} more")
    return _fitted(message, limit=limit, newline=markup.newline, more=more)


def _summary(report: Report, words: Translations) -> Iterator[str]:
    if report.error:
        yield f"{PRODUCT} {report.version}"
        return
    totals = report.totals
    items = words.ngettext("{n} item", "{n} items", totals.items).format(n=totals.items)
    parts = [
        words.gettext("{n} copied").format(n=totals.copied),
        words.gettext("{n} in sync").format(n=totals.skipped),
        words.gettext("{n} failed").format(n=totals.failed),
    ]
    if totals.deferred:
        parts.append(words.gettext("{n} deferred").format(n=totals.deferred))
    parts += _left_alone(totals, words)
    counts = words.gettext("{items}: {counts}").format(
        items=items, counts=words.gettext(", ").join(parts)
    )
    yield f"{counts} · {human_bytes(totals.bytes)} · {human_seconds(report.seconds)}"
    to = words.gettext("{product} to {targets}").format(
        product=f"{PRODUCT} {report.version}", targets=report.mode or words.gettext("nowhere")
    )
    shard = words.gettext(", shard {shard}").format(shard=report.shard) if report.shard else ""
    yield short(f"{to}{shard}", _NAME_BYTES)


def _blocks(report: Report, markup: Markup, words: Translations) -> Iterator[str]:
    """What is listed one by one, the most important first."""
    if report.error:
        yield _with_hint("✗", report.error.message, report.error.hint, markup)
    for result in of_outcome(report.results, Outcome.FAILED):
        yield _failure(result, markup, words)
    for problem in report.problems:
        yield f"✗ {markup.words(short(str(problem), _SENTENCE_BYTES))}"
    for result in of_outcome(report.results, Outcome.DEFERRED):
        why = words.gettext("deferred: {reason}").format(reason=words.gettext(result.reason))
        yield f"… {_item(result, markup)}: {_words(why, markup)}"
    for result in of_outcome(report.results, Outcome.KEPT):
        if not result.is_told:
            why = f"{words.gettext(result.reason)}; {result.note}"
            yield f"! {_item(result, markup)}: {_words(why, markup)}"
    for result in of_outcome(report.results, Outcome.COPIED):
        note = f"; {_words(result.note, markup)}" if result.note else ""
        line = f"✓ {_item(result, markup)}, {human_bytes(result.bytes)}{note}"
        yield f"{line}{markup.newline}↳ {markup.name(short(result.pull, _NAME_BYTES))}"
    for warning in report.warnings:
        yield f"! {_words(warning, markup)}"


def _with_hint(line: str, message: str, hint: str, markup: Markup) -> str:
    below = f"{markup.newline}↳ {_words(hint, markup)}" if hint else ""
    return f"{line} {_words(message, markup)}{below}"


def _failure(result: Result, markup: Markup, words: Translations) -> str:
    line = f"✗ {_item(result, markup)}:"
    if result.error:
        message, hint = message_in(words, result.error), hint_in(words, result.error)
        return _with_hint(line, message, hint, markup)
    return f"{line} {_words(words.gettext(result.reason), markup)}"


def _item(result: Result, markup: Markup) -> str:
    item = result.item
    source = markup.name(short(item.source.familiar, _NAME_BYTES))
    target = markup.name(short(item.target.name, _NAME_BYTES))
    return f"{source} ({short(str(item.choice), _NAME_BYTES)}) → {target}"


def _words(text: str, markup: Markup) -> str:
    return markup.words(short(text, _SENTENCE_BYTES))


@dataclass(frozen=True)
class _Lines:
    """A message in parts; only what stands in the middle may be left out."""

    head: tuple[str, ...]
    blocks: tuple[str, ...]
    foot: tuple[str, ...]


def _fitted(message: _Lines, *, limit: int, newline: str, more: str) -> str:
    """Keep head and foot, and of the blocks what fits, saying how many more there are.

    One that is too long doesn't keep shorter ones behind it from being seen.
    """
    head, blocks, foot = message.head, message.blocks, message.foot
    room = limit - _json_bytes(newline.join((*head, *foot)) + newline)
    sizes = [_json_bytes(block + newline) for block in blocks]
    if sum(sizes) <= room:
        return newline.join((*head, *blocks, *foot))
    room -= _json_bytes(more.format(n=len(blocks)) + newline)
    kept: list[str] = []
    for block, size in zip(blocks, sizes, strict=True):
        if size <= room:
            kept.append(block)
            room -= size
    return newline.join((*head, *kept, more.format(n=len(blocks) - len(kept)), *foot))


def _json_bytes(text: str) -> int:
    """What a text takes inside a JSON string; at least its own bytes and characters."""
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2
