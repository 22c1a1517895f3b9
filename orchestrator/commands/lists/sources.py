"""The files that a command was given: read, with their variables, and what to say of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.arguments import Arguments
from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.errors import ConfigurationError, FormatError, UsageError
from orchestrator.manifests.mirrored import Mirror
from orchestrator.manifests.read import BOM, LARGEST, read_images_of, text_of
from orchestrator.manifests.usage import Note, Reading
from orchestrator.manifests.variables import variables_of
from orchestrator.plan.items import name_items
from orchestrator.text import one_line

STDIN = "-"


@dataclass(frozen=True)
class SourceFile:
    """A file that names images.

    Attributes:
        path: None for standard input.
        text: Without a byte order mark.
    """

    name: str
    path: Path | None
    text: str
    has_mark: bool
    reading: Reading


def read_sources(arguments: Arguments) -> Iterator[SourceFile]:
    """Read all files that were named, each when it is its turn.

    Raises:
        ConfigurationError: One can't be read, or is of no kind that holds images.
    """
    for name in arguments.files:
        content = _content(name)
        variables = _variables(name, arguments)
        shown = "standard input" if name == STDIN else name
        try:
            text = text_of(content)
            reading = read_images_of(text, variables)
        except FormatError as error:
            raise ConfigurationError(f"{shown}: {error.message}", hint=error.hint) from None
        path = None if name == STDIN else Path(name)
        yield SourceFile(shown, path, text, content.startswith(BOM), reading)


def _content(name: str) -> bytes:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(name).open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{name} can't be read: {error.strerror}") from None


def _variables(name: str, arguments: Arguments) -> dict[str, str]:
    if arguments.env_file is not None:
        return variables_of(_content(arguments.env_file))
    beside = Path(".env") if name == STDIN else Path(name).parent / ".env"
    return variables_of(_content(str(beside))) if beside.is_file() else {}


def tell(notes: Iterator[Note] | tuple[Note, ...], file: str, invocation: Invocation) -> bool:
    """Write what is to be said of a file; whether there is a problem among it."""
    is_bad = False
    for note in notes:
        line = f"{file}:{note.line}: {note.text}"
        print(one_line(invocation.redact(line)), file=invocation.streams.err)
        is_bad |= note.is_problem
    return is_bad


def one_target(invocation: Invocation) -> str:
    """The target whose addresses are wanted: the one that was named, or the run's first.

    Raises:
        UsageError: There is none, or several were named.
    """
    targets = chosen_targets(invocation.arguments, invocation.settings)
    if not targets or (invocation.arguments.to and len(targets) > 1):
        raise UsageError("one target is wanted", hint="name it, as in --to=aliyun")
    return targets[0]


def mirror_at(name: str, invocation: Invocation) -> tuple[Mirror, bool]:
    """What the list mirrors to a target, and whether all of its lines could be read.

    Raises:
        ConfigurationError: The list can't be read, or the target is not set up.
    """
    settings = invocation.settings
    named = name_items(
        read_images(invocation.arguments, settings),
        targets={name: settings.target(name)},
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )
    for problem in named.problems:
        print(one_line(invocation.redact(str(problem))), file=invocation.streams.err)
    of_target = (item for item in named.items if item.target.name == name)
    single = (item for item in of_target if not item.source.is_repository)
    return Mirror.of(single, settings.default_platform), not named.problems
