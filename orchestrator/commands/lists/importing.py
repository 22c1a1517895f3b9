"""The `import` command: the images of what somebody runs, as lines for the list.

What stands in the list already is left out, and so is what is the mirror's own, so that a second
import finds nothing. The list's own bytes are kept; new lines go below them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.commands.inputs import Invocation, chosen_targets
from orchestrator.commands.lists.sources import read_sources, tell
from orchestrator.config.image_list import Entry, ImageList, parse_list
from orchestrator.config.settings import Settings, missing_place
from orchestrator.errors import ConfigurationError, ExitStatus, FormatError
from orchestrator.manifests.mirrored import choice_of, is_of, serves, source_of
from orchestrator.manifests.usage import Note, Reading, Usage
from orchestrator.plan.items import name_items
from orchestrator.report.github import stopped_commands
from orchestrator.system.files import write_whole


@dataclass(frozen=True)
class ListLine:
    """A line that is to be added, and the place that asks for it."""

    text: str
    file: str
    line: int


def run(invocation: Invocation) -> ExitStatus:
    """Print the lines that are missing, or add them.

    Raises:
        ConfigurationError: A file or the list can't be read, or the list can't be written.
    """
    with stopped_commands(invocation.streams.err, invocation.settings.github):
        return _import(invocation)


def _import(invocation: Invocation) -> ExitStatus:
    arguments, settings, out = invocation.arguments, invocation.settings, invocation.streams.out
    path = Path(arguments.file) if arguments.file else settings.base / "images.txt"
    content = content_of_list(path)
    wanted, is_bad = _wanted(invocation, parse_list(content, file=str(path)))
    lines, notes = without_clashes(content, wanted, invocation)
    for line, note in notes:
        is_bad |= tell((note,), line.file, invocation)
    if arguments.adds and lines:
        write_whole(path, with_lines(content, [line.text for line in lines]).decode("utf-8"))
    out.writelines(f"{line.text}\n" for line in lines)
    if not lines:
        print("nothing is missing in the list", file=invocation.streams.err)
    elif arguments.adds:
        print(f"{len(lines)} added to {path}", file=invocation.streams.err)
    return ExitStatus.FAILED if is_bad else ExitStatus.OK


def content_of_list(path: Path) -> bytes:
    """The list's bytes; a list that is not there yet has none.

    Raises:
        ConfigurationError: It can't be read, or is no UTF-8, so that it could not be kept.
    """
    try:
        content = path.read_bytes()
        content.decode("utf-8")
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path} is not UTF-8 text", hint="save the file as UTF-8"
        ) from None
    return content


def _wanted(invocation: Invocation, listed: ImageList) -> tuple[list[ListLine], bool]:
    wanted: dict[str, ListLine] = {}
    is_bad = False
    for source in read_sources(invocation.arguments):
        lines, notes = missing_lines(source.reading, listed.entries, invocation.settings)
        is_bad |= tell(notes, source.name, invocation)
        for text, line in lines.items():
            wanted.setdefault(text, ListLine(text, source.name, line))
    return list(wanted.values()), is_bad


def missing_lines(
    reading: Reading, listed: Iterable[Entry], settings: Settings
) -> tuple[dict[str, int], tuple[Note, ...]]:
    """The lines that the list lacks, each with the line of the file that asks for it, and notes."""
    by_source: dict[str, list[Entry]] = {}
    for entry in listed:
        by_source.setdefault(str(entry.source), []).append(entry)
    lines: dict[str, int] = {}
    notes = list(reading.notes)
    for usage in reading.usages:
        try:
            line = _line_for(usage, by_source, settings)
        except FormatError as error:
            notes.append(Note(usage.line, _said(error), is_problem=True))
        else:
            if line:
                lines.setdefault(line, usage.line)
    return lines, tuple(sorted(notes, key=lambda note: note.line))


def _said(error: FormatError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _line_for(usage: Usage, listed: dict[str, list[Entry]], settings: Settings) -> str:
    """A line for an image; empty where the list has it, or the mirror is where it comes from."""
    source, choice = source_of(usage), choice_of(usage)
    if any(is_of(one, source) for one in settings.targets.values() if not missing_place(one)):
        return ""
    if choice and choice.in_any_order == settings.default_platform.in_any_order:
        choice = None
    wanted = choice or settings.default_platform if usage.platform else None
    for entry in listed.get(str(source), ()):
        if serves(entry.platform or settings.default_platform, wanted):
            return ""
    return f"--platform={choice} {source.familiar}" if choice else source.familiar


def without_clashes(
    content: bytes, lines: list[ListLine], invocation: Invocation
) -> tuple[list[ListLine], list[tuple[ListLine, Note]]]:
    """The lines that can stand in the list, and why the others can't."""
    settings = invocation.settings
    names = chosen_targets(invocation.arguments, settings)
    old = len(content.removeprefix(b"\xef\xbb\xbf").splitlines())
    images = parse_list(with_lines(content, [line.text for line in lines]), file="the list")
    known = {name: target.with_placeholders() for name, target in settings.targets.items()}
    named = name_items(
        images.with_placeholders(),
        targets={settings.known_target(name).name: known[name] for name in names},
        others=known,
        default_platform=settings.default_platform,
    )
    bad = {problem.line - old - 1: problem for problem in named.problems if problem.line > old}
    notes = [
        (line, Note(line.line, f"'{line.text}' is left out: {bad[index].message}", is_problem=True))
        for index, line in enumerate(lines)
        if index in bad
    ]
    return [line for index, line in enumerate(lines) if index not in bad], notes


def with_lines(content: bytes, lines: Iterable[str]) -> bytes:
    """The list with lines below it, ending as its own do."""
    end = b"\r\n" if b"\r\n" in content else b"\n"
    return b"".join(_pieces(content, lines, end))


def _pieces(content: bytes, lines: Iterable[str], end: bytes) -> Iterator[bytes]:
    yield content
    if content and not content.endswith((b"\n", b"\r")):
        yield end
    for line in lines:
        yield line.encode("utf-8") + end
