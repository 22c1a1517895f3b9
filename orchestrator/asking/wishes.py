"""What an issue names, as people write it: names, commands, pages, snippets, full-width signs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.errors import FormatError
from orchestrator.manifests.dockerfile import is_dockerfile
from orchestrator.manifests.mirrored import choice_of, source_of
from orchestrator.manifests.read import read_images_of
from orchestrator.manifests.usage import Usage
from orchestrator.oci.pasted import named_by_command, named_by_page
from orchestrator.text import shortened

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ", 0x3001: ",", 0x3002: " ", 0x201C: '"', 0x201D: '"', 0x2018: "'", 0x2019: "'",
    0x200B: None, 0xFEFF: None,
}  # fmt: skip
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,}).*$", re.MULTILINE)
_LINK = re.compile(r"\[[^\[\]\n]*\]\(([^\s()]+)\)")
_MARKER = re.compile(r"(?:[-*+>]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_YAML = re.compile(r"""^[ \t]*(?:-[ \t]+)?["']?image["']?[ \t]*:""", re.MULTILINE)
_PLATFORM = re.compile(r"--platform(?:=|\s+)(\S+)")
_COMMAS = re.compile(r"[,;]")
_SCHEME = re.compile(r"(?:https?|docker|oci)://", re.IGNORECASE)
_AROUND = "`\"'<>()"
_SHOWN = 80


@dataclass(frozen=True)
class Wish:
    """One image that was asked for.

    Attributes:
        asked: As it was written, shortened.
        usage: What it means; its name may turn out to be none.
        problem: Why it is no image; empty where it is one.
    """

    asked: str
    usage: Usage
    problem: str = ""


def read_wishes(text: str, *, platform: str = "") -> tuple[Wish, ...]:
    """All images that a text names, each once, in their order.

    Args:
        text: As it was written.
        platform: For those that name none.
    """
    plain = _HIDDEN.sub("", text).translate(_FULL_WIDTH)
    platform = platform.translate(_FULL_WIDTH).strip()
    wishes: dict[tuple[str, str], Wish] = {}
    for block in _blocks(plain):
        for asked, image, own in _named(block):
            wish = _wish(asked, image, own or platform)
            key = (wish.usage.image, wish.usage.platform)
            if not wish.problem:
                key = (str(source_of(wish.usage)), str(choice_of(wish.usage)))
            wishes.setdefault(key, wish)
    return tuple(wishes.values())


def _wish(asked: str, image: str, platform: str) -> Wish:
    usage = Usage(image, 1, 0, 0, platform)
    shown = shortened(asked, _SHOWN)
    try:
        source_of(usage)
        choice_of(usage)
    except FormatError as error:
        return Wish(shown, usage, f"{error.message}; {error.hint}" if error.hint else error.message)
    return Wish(shown, usage)


def _blocks(text: str) -> Iterator[str]:
    """What stands within fences, and what stands between them."""
    place = 0
    for fence in _FENCE.finditer(text):
        yield text[place : fence.start()]
        place = fence.end()
    yield text[place:]


def _named(block: str) -> Iterator[tuple[str, str, str]]:
    """As it was written, the image, and its platform."""
    found = list(_of_snippet(block))
    if found:
        yield from found
        return
    for line in block.splitlines():
        yield from _of_line(_LINK.sub(r"\1", line))


def _of_snippet(block: str) -> Iterator[tuple[str, str, str]]:
    """The images of YAML, or of a Dockerfile, if it is one."""
    text = block.strip("\n")
    if not _YAML.search(text) and not is_dockerfile(text):
        return
    try:
        reading = read_images_of(text)
    except FormatError:
        return
    for usage in reading.usages:
        yield usage.written or usage.image, usage.image, usage.platform
    for note in reading.notes if reading.usages else ():
        if note.is_problem:
            yield text.splitlines()[note.line - 1].strip(), "", ""


def _of_line(line: str) -> Iterator[tuple[str, str, str]]:
    text = _MARKER.sub("", line.strip(), count=1).strip().strip(_AROUND).strip()
    command = named_by_command(text)
    given = _PLATFORM.search(command or text)
    platform = given[1] if given else ""
    rest = _PLATFORM.sub(" ", command or text)
    pieces = [_words(piece) for piece in _COMMAS.split(rest)]
    words = [word for piece in pieces for word in piece]
    # In a sentence, a name is known by what no other word has; between commas all are names.
    named = [word for word in words if word.isascii() and _is_marked(word)]
    is_sentence = any(len(piece) > 1 for piece in pieces)
    for word in named if is_sentence and named else words:
        yield word if len(words) > 1 else text, _without_scheme(word), platform


def _words(piece: str) -> list[str]:
    words = (word.strip(_AROUND).rstrip(".!?") for word in piece.split())
    return [word for word in words if word]


def _is_marked(word: str) -> bool:
    return bool(re.search(r"[\w\]][:/@][\w\[]", word)) or bool(_SCHEME.match(word))


def _without_scheme(word: str) -> str:
    """The name of a page's image; an address that is no page without its scheme."""
    scheme = _SCHEME.match(word)
    if not scheme:
        return named_by_page(word) or word
    rest = word[scheme.end() :]
    return named_by_page(rest) or rest.rstrip("/")
