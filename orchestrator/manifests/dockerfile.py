"""The images of a Dockerfile: `FROM`, `COPY --from`, `RUN --mount=from=` and its `# syntax`.

Dockerfile reference: "Format", "Parser directives", "Understand how ARG and FROM interact".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.errors import FormatError
from orchestrator.manifests.usage import Note, Reading, Usage
from orchestrator.manifests.variables import replaced

_DIRECTIVE = re.compile(r"#\s*(?P<name>syntax|escape|check)\s*=\s*(?P<value>\S+)\s*", re.IGNORECASE)
_INSTRUCTION = re.compile(r"\s*(?P<name>[A-Za-z]+)\s+(?P<rest>.*)", re.DOTALL)
_FLAGS = re.compile(r"\s*--(?P<name>[a-z-]+)(?:=(?P<value>\S*))?(?=\s)")
_WORD = re.compile(r"\S+")
_HEREDOC = re.compile(r"<<(?P<dash>-?)(?P<quote>[\"']?)(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)")
_STAGE = re.compile(r"\s+AS\s+(?P<name>\S+)", re.IGNORECASE)
_MOUNT_FROM = re.compile(r"(?:^|,)from=(?P<image>[^,\s]+)")
_SCRATCH = "scratch"
_BUILDKIT = frozenset(
    f"{side}{part}"
    for side in ("TARGET", "BUILD")
    for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)
"""Variables that BuildKit sets for each build."""


@dataclass(frozen=True)
class _Instruction:
    name: str
    rest: str
    line: int
    start: int
    """Where `rest` begins in the whole text; continued lines are blanked, not cut."""


@dataclass
class _State:
    arguments: dict[str, str]
    given: dict[str, str]
    stages: set[str] = field(default_factory=set)
    reading: Reading = field(default_factory=Reading)
    has_from: bool = False


def is_dockerfile(text: str) -> bool:
    """Whether the first instruction is one that a Dockerfile begins with."""
    first = next(_instructions(text), None)
    return first is not None and first.name in ("FROM", "ARG")


def read_dockerfile(text: str, variables: dict[str, str]) -> Reading:
    """Its images; a stage is none.

    Args:
        text: All of it.
        variables: What is given in the place of the defaults of `ARG`.
    """
    state = _State({}, variables)
    _take_syntax(text, state)
    for instruction in _instructions(text):
        match instruction.name:
            case "ARG" if not state.has_from:
                _take_argument(instruction, state)
            case "FROM":
                _take_from(instruction, state)
            case "COPY" | "ADD" | "RUN":
                _take_flags(instruction, state)
            case _:
                pass
    return state.reading


def _directives(text: str) -> Iterator[tuple[str, re.Match[str], int, int]]:
    """The parser's directives: the comments before anything else."""
    place = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        found = _DIRECTIVE.fullmatch(line)
        if not found:
            return
        yield found["name"].lower(), found, number, place
        place += len(line)


def _take_syntax(text: str, state: _State) -> None:
    for name, found, number, place in _directives(text):
        if name == "syntax":
            start, end = found.span("value")
            image = found["value"]
            usage = Usage(image, number, place + start, place + end, written=image)
            state.reading += Reading((usage,))


def _instructions(text: str) -> Iterator[_Instruction]:
    escape = next((one[1]["value"] for one in _directives(text) if one[0] == "escape"), "\\")
    continued = re.compile(rf"{re.escape(escape)}[ \t]*$")
    lines = text.splitlines(keepends=True)
    place = index = 0
    while index < len(lines):
        first, start = index, place
        parts: list[str] = []
        while index < len(lines):
            line = lines[index]
            index, place = index + 1, place + len(line)
            is_comment = line.lstrip().startswith("#") or (not line.strip() and bool(parts))
            ends = continued.search(line.rstrip("\r\n"))
            kept = line[: ends.start()] if ends else line
            parts.append(" " * len(line) if is_comment else kept.ljust(len(line)))
            if not ends and not (is_comment and len(parts) > 1):
                break
        found = _INSTRUCTION.fullmatch("".join(parts))
        if not found:
            continue
        name = found["name"].upper()
        yield _Instruction(name, found["rest"], first + 1, start + found.start("rest"))
        if name in ("RUN", "COPY", "ADD"):
            index, place = _behind_heredocs(found["rest"], lines, index, place)


def _behind_heredocs(rest: str, lines: list[str], index: int, place: int) -> tuple[int, int]:
    for heredoc in _HEREDOC.finditer(rest):
        while index < len(lines):
            line = lines[index]
            index, place = index + 1, place + len(line)
            text = line.rstrip("\r\n")
            if (text.lstrip("\t") if heredoc["dash"] else text) == heredoc["word"]:
                break
    return index, place


def _take_argument(instruction: _Instruction, state: _State) -> None:
    """An `ARG` before the first `FROM` is for the lines of `FROM` only."""
    for word in instruction.rest.split():
        name, equals, default = word.partition("=")
        known = {**state.arguments, **state.given}
        try:
            if name in state.given:
                state.arguments[name] = state.given[name]
            elif equals:
                state.arguments[name] = replaced(default.strip("\"'"), known)
        except FormatError:
            continue


def _take_from(instruction: _Instruction, state: _State) -> None:
    state.has_from = True
    rest, platform, place = instruction.rest, "", 0
    while flag := _FLAGS.match(rest, place):
        platform = flag["value"] or "" if flag["name"] == "platform" else platform
        place = flag.end()
    word = _WORD.search(rest, place)
    if not word:
        return
    stage = _STAGE.match(rest, word.end())
    _take_image(instruction, word.span(), state, platform=platform)
    if stage:
        state.stages.add(stage["name"].lower())


def _take_flags(instruction: _Instruction, state: _State) -> None:
    rest, place = instruction.rest, 0
    while flag := _FLAGS.match(rest, place):
        place = flag.end()
        if flag["name"] == "from" and flag["value"]:
            _take_image(instruction, flag.span("value"), state)
        elif flag["name"] == "mount" and flag["value"]:
            mounted = _MOUNT_FROM.search(flag["value"])
            if mounted:
                at = flag.start("value")
                start, end = mounted.span("image")
                _take_image(instruction, (at + start, at + end), state)


def _take_image(
    instruction: _Instruction, span: tuple[int, int], state: _State, *, platform: str = ""
) -> None:
    written = instruction.rest[slice(*span)]
    line = instruction.line
    quote = written[:1] if written[:1] in ("'", '"') and written[:1] == written[-1:] else ""
    name = written.strip(quote) if quote else written
    try:
        image = replaced(name, {**state.given, **state.arguments})
    except FormatError as error:
        text = f"'{written}': {error.message}; give its ARG a default, or set it with --env-file"
        state.reading += Reading(notes=(Note(line, text, is_problem=True),))
        return
    if image.lower() in state.stages or image.lower() == _SCRATCH or image.isdigit():
        return
    start, end = instruction.start + span[0], instruction.start + span[1]
    usage = Usage(image, line, start, end, _platform(platform, state), written=written)
    state.reading += Reading((usage,))


def _platform(written: str, state: _State) -> str:
    """A platform that the file settles; one that the build sets is the reader's own."""
    if any(name in written for name in _BUILDKIT):
        return ""
    try:
        return replaced(written, {**state.given, **state.arguments})
    except FormatError:
        return ""
