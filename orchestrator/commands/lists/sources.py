"""The files that a command was given: read, with their variables, and what to say of them."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.catalog.image import MirroredImage
from orchestrator.cli.arguments import Arguments
from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.config.image_list import Entry, ImageList
from orchestrator.config.settings import Settings
from orchestrator.errors import ConfigurationError, FormatError, UsageError
from orchestrator.manifests.mirrored import Mirror
from orchestrator.manifests.read import BOM, LARGEST, read_images_of, text_of
from orchestrator.manifests.usage import Note, Reading
from orchestrator.manifests.variables import variables_of
from orchestrator.plan.items import name_items
from orchestrator.plan.tags import choose
from orchestrator.state.store import State
from orchestrator.text import one_line

_log = logging.getLogger(__name__)

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

    Of a line that chooses tags, it is those that runs from here have mirrored.

    Raises:
        ConfigurationError: The list can't be read, or the target is not set up.
    """
    settings = invocation.settings
    images = read_images(invocation.arguments, settings)
    mirrored = _mirrored(settings, name) if images.selects else ()
    choosing = (one for one in images.entries if not one.to or name in one.to)
    chosen = chosen_tags(choosing, mirrored)
    named = name_items(
        _with_tags(images, chosen),
        targets={name: settings.target(name)},
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )
    for problem in named.problems:
        print(one_line(invocation.redact(str(problem))), file=invocation.streams.err)
    there = {image.destination for image in mirrored}
    lines = {entry.line for entry in chosen}
    items = [
        item
        for item in named.items
        if item.target.name == name and (item.line not in lines or str(item.destination) in there)
    ]
    return Mirror.of(items, settings.default_platform, chosen), not named.problems


def _mirrored(settings: Settings, target: str) -> tuple[MirroredImage, ...]:
    with closing(State(settings.state_dir)) as state:
        images = state.images()
        warnings = state.warnings
    for warning in warnings:
        _log.warning("%s", warning)
    return tuple(image for image in images if image.is_there and image.target == target)


def chosen_tags(
    entries: Iterable[Entry], mirrored: Iterable[MirroredImage]
) -> dict[Entry, tuple[str, ...]]:
    """What each line that chooses tags would choose of those that were mirrored."""
    tags: dict[str, list[str]] = defaultdict(list)
    for image in mirrored:
        name, _, tag = image.source.rpartition(":")
        tags[name].append(tag)
    return {
        entry: choose(tags[entry.source.name], entry.selection)
        for entry in entries
        if entry.selection
    }


def _with_tags(images: ImageList, chosen: Mapping[Entry, tuple[str, ...]]) -> ImageList:
    """The list with an entry for each tag; of two for one place the one that names it is first."""
    named = (entry for entry in images.entries if not entry.selection)
    found = (entry.of_tag(tag) for entry, tags in chosen.items() for tag in tags)
    return replace(images, entries=(*named, *found))
