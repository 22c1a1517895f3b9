"""The `rewrite` command: files with the mirror's addresses, so far as the list has their images."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.commands.inputs import Invocation
from orchestrator.commands.lists.sources import (
    SourceFile,
    mirror_at,
    one_target,
    read_sources,
    tell,
)
from orchestrator.errors import ConfigurationError, ExitStatus, FormatError
from orchestrator.manifests.mirrored import Mirror, is_of, source_of
from orchestrator.manifests.read import BOM
from orchestrator.manifests.rewrite import compose_override, kustomize_images, with_addresses
from orchestrator.manifests.usage import Note, Usage
from orchestrator.oci.reference import Reference
from orchestrator.report.github import stopped_commands
from orchestrator.system.files import write_whole


def run(invocation: Invocation) -> ExitStatus:
    """Write the files, or print what stands in their place.

    Raises:
        ConfigurationError: A file or the list can't be read, or a file can't be written.
    """
    with stopped_commands(invocation.streams.err, invocation.settings.github):
        return _rewrite(invocation)


def _rewrite(invocation: Invocation) -> ExitStatus:
    name = one_target(invocation)
    mirror, is_whole = mirror_at(name, invocation)
    is_bad = not is_whole
    everywhere: list[tuple[Usage, Reference]] = []
    for source in read_sources(invocation.arguments):
        found, notes = _addresses(source, mirror, invocation, name)
        is_bad |= tell((*source.reading.notes, *notes), source.name, invocation)
        everywhere += found
        if invocation.arguments.form is None:
            _write(source, found, invocation)
    if invocation.arguments.form:
        invocation.streams.out.write(_in_form(invocation.arguments.form, everywhere))
    return ExitStatus.FAILED if is_bad else ExitStatus.OK


def _in_form(form: str, found: list[tuple[Usage, Reference]]) -> str:
    try:
        return kustomize_images(found) if form == "kustomize" else compose_override(found)
    except FormatError as error:
        raise ConfigurationError(error.message, hint=error.hint) from None


def _addresses(
    source: SourceFile, mirror: Mirror, invocation: Invocation, target: str
) -> tuple[list[tuple[Usage, Reference]], list[Note]]:
    found: list[tuple[Usage, Reference]] = []
    notes: list[Note] = []
    own = invocation.settings.target(target)
    for usage in source.reading.usages:
        try:
            item = mirror.item_for(usage)
            if item:
                found.append((usage, item.destination))
            elif not is_of(own, source_of(usage)):
                chooses = mirror.chooses(source_of(usage))
                notes.append(_unlisted(usage, target, chooses=chooses))
        except FormatError as error:
            notes.append(Note(usage.line, error.message, is_problem=True))
    if invocation.arguments.form is None:
        notes += _in_parts(usage for usage, _ in found)
    return found, notes


def _unlisted(usage: Usage, target: str, *, chooses: bool) -> Note:
    asked = f" for {usage.platform}" if usage.platform else ""
    if chooses:
        text = f"'{usage.image}'{asked} is kept: no run from here has mirrored it to {target}"
        more = "a line of the list chooses tags of its repository, and 'syncer plan' tells which"
        return Note(usage.line, f"{text}; {more}", is_problem=True)
    text = f"'{usage.image}'{asked} is kept: no line of the list mirrors it to {target}"
    return Note(usage.line, f"{text}; 'syncer import' tells the line", is_problem=True)


def _in_parts(usages: Iterator[Usage]) -> Iterator[Note]:
    for usage in usages:
        if not usage.can_be_written:
            text = f"'{usage.image}' is kept: its name stands in parts"
            yield Note(usage.line, text, is_problem=True)


def _write(
    source: SourceFile, found: list[tuple[Usage, Reference]], invocation: Invocation
) -> None:
    text = with_addresses(source.text, found)
    if source.path is None:
        invocation.streams.out.write(text)
        return
    if text != source.text:
        mark = BOM.decode() if source.has_mark else ""
        write_whole(source.path, f"{mark}{text}")
    written = sum(usage.can_be_written for usage, _ in found)
    print(f"{source.name}: {written} addresses written", file=invocation.streams.err)
