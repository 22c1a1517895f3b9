"""The `catalog` command: a page of what is mirrored, from the list, the state and given reports.

Nothing is asked for over the network, and no login is needed. What a report tells stands over what
the state knows, where it is the newer: after a run that was shared out among several machines, no
state directory knows of all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from orchestrator.catalog.chart import MOST_BARS, chart_of
from orchestrator.catalog.entries import ListedImage, catalog_entries
from orchestrator.catalog.image import MirroredImage, images_after
from orchestrator.catalog.markdown import markdown_page
from orchestrator.catalog.page import Catalog, html_page
from orchestrator.commands.inputs import (
    Invocation,
    chosen_targets,
    named_anywhere,
    read_images,
)
from orchestrator.commands.reporting.read import read_reports
from orchestrator.config.image_list import ImageList
from orchestrator.config.settings import Settings, missing_place
from orchestrator.config.values import web_url
from orchestrator.errors import ExitStatus, FormatError, UsageError
from orchestrator.report.github import stopped_commands
from orchestrator.report.history import PastRun
from orchestrator.report.result import Report
from orchestrator.state.store import State
from orchestrator.system.files import write_whole
from orchestrator.text import first_lines

_log = logging.getLogger(__name__)

_RUNS = 20 * MOST_BARS
"""That are looked through for those of the whole list."""


def run(invocation: Invocation) -> ExitStatus:
    """Write the page and its Markdown, and say where they are.

    Raises:
        UsageError: `--repository` is no address.
        ConfigurationError: The list can't be read, or the files can't be written.
    """
    with stopped_commands(invocation.streams.err, invocation.settings.github):
        _write(invocation)
    return ExitStatus.OK


def _write(invocation: Invocation) -> None:
    arguments, settings = invocation.arguments, invocation.settings
    reports = tuple(_reports(arguments.reports))
    with closing(State(settings.state_dir)) as state:
        images, runs = _latest(state.images(), reports), state.runs(_RUNS)
        warnings = state.warnings
    for warning in warnings:
        _log.warning("%s", warning)
    catalog = _catalog(invocation, images, runs)
    folder = Path(arguments.directory or "catalog")
    page, plain = folder / "index.html", folder / "images.md"
    write_whole(page, html_page(catalog, settings.language))
    write_whole(plain, markdown_page(catalog, settings.words))
    invocation.streams.out.write(f"{len(catalog.entries)} images: {page}, {plain}\n")
    invocation.streams.out.flush()


def _catalog(
    invocation: Invocation, images: Iterable[MirroredImage], runs: tuple[PastRun, ...]
) -> Catalog:
    arguments, settings = invocation.arguments, invocation.settings
    targets = chosen_targets(arguments, settings)
    entries = catalog_entries(_listed(invocation, targets), images)
    shown = {entry.target for entry in entries}
    places = {
        name: target.base
        for name, target in settings.targets.items()
        if name in shown and not missing_place(target)
    }
    return Catalog(
        entries=entries,
        chart=chart_of(runs),
        places=places,
        made=datetime.now(timezone.utc),
        repository_url=_repository_url(arguments.repository, settings),
    )


def _listed(invocation: Invocation, targets: tuple[str, ...]) -> Iterator[ListedImage]:
    """What the list asks for; bad lines are a run's to tell, and are only counted here."""
    if not targets:
        return
    settings = invocation.settings
    images: ImageList = read_images(invocation.arguments, settings)
    named = named_anywhere(images, settings, targets)
    for problem in first_lines(named.problems, of="bad lines"):
        _log.warning("left out: %s", invocation.redact(problem))
    for item in named.items:
        chooses = images.chosen_by(item.source)
        is_placed = not missing_place(settings.targets[item.target.name])
        destination = str(item.destination)
        yield ListedImage(
            source=chooses.source if chooses else item.source,
            platform=str(item.choice),
            target=item.target.name,
            destination=destination
            if is_placed
            else destination.removeprefix(f"{item.target.base}/"),
            is_placed=is_placed,
            selection=chooses.selection if chooses else None,
        )


def _latest(
    images: Iterable[MirroredImage], reports: Iterable[Report]
) -> tuple[MirroredImage, ...]:
    """What the state knows, and over it what newer reports tell, the oldest first."""
    known = {image.destination: image for image in images}
    for report in sorted(reports, key=lambda report: report.finished):
        for after in images_after(report, known):
            before = known.get(after.destination)
            if before is None or before.tried < after.tried:
                known[after.destination] = after
    return tuple(known.values())


def _reports(paths: Iterable[str]) -> Iterator[Report]:
    """Those that can be read, dry runs left out."""
    for path, read in read_reports(paths):
        if read.report.is_dry_run:
            _log.warning("%s: it is a dry run's, and is left out", path)
        else:
            yield read.report


def _repository_url(typed: str | None, settings: Settings) -> str:
    """The page of the repository on GitHub, as it was typed or as the runner says it."""
    if typed is None:
        return settings.github.repository_url if settings.github else ""
    try:
        return web_url(typed).rstrip("/")
    except FormatError as error:
        raise UsageError(
            f"--repository: {error.message}",
            hint="write it as https://github.com/OWNER/REPOSITORY",
        ) from None
