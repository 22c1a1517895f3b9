"""The commands: each takes what was typed and what is set, and ends with an exit status."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from orchestrator.actions import Said, guarded, mask, of_error, of_problems, say, tell_run
from orchestrator.command_line import Streams, Typed
from orchestrator.errors import ConfigurationError, ExitStatus, FormatError, SyncerError, UsageError
from orchestrator.image_list import ImageList, parse_entry, parse_list
from orchestrator.items import name_all
from orchestrator.load_settings import load_actions, load_settings
from orchestrator.log import configure
from orchestrator.result import Report
from orchestrator.setting_values import words
from orchestrator.settings import BUILT_IN, Actions, Settings
from orchestrator.text import Redactor, printable
from orchestrator.workspace import write_whole

_log = logging.getLogger(__name__)

_LARGEST_LIST = 64 * 1024 * 1024
_SHOWN_RUNS = 20
_ALL_RUNS = 1000


def main(typed: Typed, environ: Mapping[str, str], streams: Streams) -> int:
    """Do what was typed; the return value is the exit status.

    Args:
        typed: The command line.
        environ: The process's environment.
        streams: Where to write.
    """
    configure(streams.err, level=typed.level, redact=Redactor(()))
    try:
        return _carried_out(typed, environ, streams)
    except SyncerError as error:
        _tell(error, load_actions(environ), streams.err)
        return error.exit_status
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitStatus.FAILED


def _tell(error: SyncerError, actions: Actions | None, err: TextIO) -> None:
    """Say why nothing was done."""
    with guarded(err, actions):
        print(printable(f"syncer: {error.message}"), file=err)
        if error.hint:
            print(printable(f"  -> {error.hint}"), file=err)
    if actions:
        say(Said((of_error(error),)), actions, err)


def _carried_out(typed: Typed, environ: Mapping[str, str], streams: Streams) -> int:
    settings = _settings(typed, environ)
    redact = Redactor(settings.secrets)
    if settings.actions:
        mask(streams.err, settings.unmasked)
    has_colour = _has_colour(typed.colour, environ, streams.err)
    configure(streams.err, level=typed.level, redact=redact, has_colour=has_colour)
    if typed.command == "history":
        return _history(typed, settings, streams.out)
    targets = _targets(typed, settings)
    if typed.command == "doctor":
        return _doctor(typed, environ, settings, targets, streams)
    if not targets:
        print("SYNC_MODE is none: nothing to do", file=streams.err)
        return ExitStatus.OK
    images = _images(typed, settings)
    if typed.command == "name" and typed.images:
        return _name(images, settings, targets, streams.out)
    if typed.command == "name":
        return _name_list(images, settings, targets, typed, streams)
    return _sync(images, settings, targets, typed, streams)


def _sync(
    images: ImageList,
    settings: Settings,
    targets: tuple[str, ...],
    typed: Typed,
    streams: Streams,
) -> ExitStatus:
    """Do a run, or plan one, and tell everybody who wants to know."""
    from orchestrator.run import RunOptions, run  # noqa: PLC0415

    options = RunOptions(
        targets=targets,
        is_forced=typed.force,
        is_dry_run=typed.dry_run or typed.command == "plan",
        fails_fast=typed.fail_fast,
        is_strict=typed.strict,
    )
    redact = Redactor(settings.secrets)
    with guarded(streams.err, settings.actions, title=f"syncer {typed.command}"):
        report = run(images, settings, options, stderr=streams.err)
    with guarded(streams.err, settings.actions):
        if settings.webhooks and not typed.no_notify and not options.is_dry_run:
            report = _notified(report, settings)
        _deliver(report, typed, redact, streams.out)
    if settings.actions:
        said = tell_run(report, file=images.file, written=typed.report, badge=typed.badge)
        say(said, settings.actions, streams.err, redact=redact)
    return report.exit_status


def _notified(report: Report, settings: Settings) -> Report:
    """Tell the chats; what goes wrong there is a warning, never the run's result."""
    from orchestrator.http import Http  # noqa: PLC0415
    from orchestrator.notify import Delivery, send_all  # noqa: PLC0415
    from orchestrator.report.document import document  # noqa: PLC0415

    with closing(Http()) as http:
        delivery = Delivery(http, lambda: datetime.now(timezone.utc), time.sleep)
        run_url = settings.actions.run_url if settings.actions else ""
        warnings = send_all(
            report, settings.webhooks, delivery, run_url=run_url, document=document(report)
        )
    for warning in warnings:
        _log.warning("%s", warning)
    return replace(report, warnings=(*report.warnings, *warnings))


def _deliver(report: Report, typed: Typed, redact: Redactor, out: TextIO) -> None:
    """Write the report where it was asked for."""
    from orchestrator.report.badge import badge_document, badge_of  # noqa: PLC0415
    from orchestrator.report.document import document  # noqa: PLC0415
    from orchestrator.report.summary import markdown_summary, text_summary  # noqa: PLC0415

    renderers = {"table": text_summary, "markdown": markdown_summary, "json": document}
    try:
        out.write(redact(renderers[typed.output](report)))
        out.flush()
    finally:  # a reader of stdout that goes away does not cost the file
        if typed.report:
            write_whole(Path(typed.report), redact(document(report)))
        if typed.badge and not report.is_dry_run:
            write_whole(Path(typed.badge), badge_document(badge_of(report)))


def _name_list(
    images: ImageList,
    settings: Settings,
    targets: tuple[str, ...],
    typed: Typed,
    streams: Streams,
) -> ExitStatus:
    """Name the whole list; every bad line is told, and makes the status 1."""
    from orchestrator.names import markdown_names, names_of, text_names  # noqa: PLC0415

    names = names_of(images, settings, targets)
    render = markdown_names if typed.output == "markdown" else text_names
    with guarded(streams.err, settings.actions):
        streams.out.write(render(names))
        streams.out.flush()
    if settings.actions:
        said = Said(of_problems(names.problems), markdown_names(names))
        say(said, settings.actions, streams.err, redact=Redactor(settings.secrets))
    return ExitStatus.FAILED if names.problems else ExitStatus.OK


def _name(
    images: ImageList, settings: Settings, targets: tuple[str, ...], out: TextIO
) -> ExitStatus:
    named = name_all(
        images,
        targets={name: settings.target(name) for name in targets},
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )
    for item in named.items:
        print(item.destination, file=out)
    return ExitStatus.OK


def _doctor(
    typed: Typed,
    environ: Mapping[str, str],
    settings: Settings,
    targets: tuple[str, ...],
    streams: Streams,
) -> ExitStatus:
    """Check all that a run needs; what is wrong is told with its remedy."""
    from orchestrator.doctor import examine, status_of, text_checks  # noqa: PLC0415

    with guarded(streams.err, settings.actions, title="syncer doctor"):
        checks = examine(settings, targets, lambda: _images(typed, settings))
        has_colour = _has_colour(typed.colour, environ, streams.out)
        streams.out.write(Redactor(settings.secrets)(text_checks(checks, has_colour=has_colour)))
        streams.out.flush()
    return status_of(checks)


def _history(typed: Typed, settings: Settings, out: TextIO) -> ExitStatus:
    """Tell of past runs, or of what one of them changed."""
    from orchestrator.report.past import text_results, text_runs  # noqa: PLC0415
    from orchestrator.state import State  # noqa: PLC0415

    with closing(State(settings.state_dir)) as state:
        if typed.run:
            results = state.results(typed.run)
            known = results or any(run.run_id == typed.run for run in state.runs(_ALL_RUNS))
            if not known:
                raise UsageError(f"there is no run '{typed.run}'", hint="syncer history lists them")
            out.write(text_results(results) if results else "nothing changed in this run\n")
        else:
            runs = state.runs(_SHOWN_RUNS)
            out.write(text_runs(runs) if runs else "there was no run yet\n")
    return ExitStatus.OK


def _settings(typed: Typed, environ: Mapping[str, str]) -> Settings:
    flags = {"JOBS": typed.jobs or "", "SIGNATURES": "true" if typed.with_signatures else ""}
    config = Path(typed.config) if typed.config else None
    base = config.parent if config else Path(typed.file or "images.txt").parent
    return load_settings(environ, base=base.absolute(), config=config, flags=flags)


def _targets(typed: Typed, settings: Settings) -> tuple[str, ...]:
    if typed.command in BUILT_IN:
        return (typed.command,)
    if typed.command == "double":
        return tuple(reversed(BUILT_IN)) if settings.is_on_actions else BUILT_IN
    if typed.to is None:
        return settings.mode
    named = tuple(dict.fromkeys(words(typed.to)))
    if not named:
        raise UsageError("--to names no target", hint="write it as --to=aliyun,ghcr")
    return named


def _images(typed: Typed, settings: Settings) -> ImageList:
    given = typed.images
    if not given:
        path = Path(typed.file) if typed.file else settings.base / "images.txt"
        return parse_list(_read_list(path), file=_shown_path(path))
    if typed.name and len(given) > 1:
        raise UsageError("--name goes with one image", hint="give each image a command of its own")
    try:
        entries = tuple(
            parse_entry(image, platform=typed.platform or "", name=typed.name or "")
            for image in given
        )
    except FormatError as error:
        raise UsageError(error.message, hint=error.hint) from None
    return ImageList("", entries)


def _read_list(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_LIST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{_shown_path(path)} can't be read: {error.strerror}",
            hint="write one image a line into it, or name another with --file",
        ) from None
    if len(content) > _LARGEST_LIST:
        raise ConfigurationError(
            f"{_shown_path(path)} is larger than 64 MiB",
            hint="a list has one image a line: name it with --file, or split it",
        )
    return content


def _shown_path(path: Path) -> str:
    """As short as a person would write it; annotations want it from the working folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _has_colour(wish: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour: as asked, else on a terminal that takes it (no-color.org)."""
    if wish != "auto":
        return wish == "always"
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
