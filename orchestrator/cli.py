"""The command line: what the user typed becomes a run, and its report an exit status."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from orchestrator import __version__
from orchestrator.actions import Said, guarded, mask, of_error, of_problems, say, tell_run
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

_EPILOG = """\
examples:
  syncer batch                          mirror all of images.txt to the targets of SYNC_MODE
  syncer plan                           say what batch would do, and change nothing
  syncer aliyun nginx:alpine            mirror one image to Aliyun
  syncer double redis:7 --platform=linux/arm64
  syncer copy quay.io/coreos/etcd:v3.5.0 --to ghcr --name etcd
  syncer name bitnami/redis:7           print the destination, without the network
  syncer name                           check and name all of images.txt, without the network

exit status:
  0  all is in sync: copied, or already there
  1  an image failed, or a line of the list was bad
  2  the command line or the configuration is wrong
  3  skopeo is missing or too old
  4  another run holds the state directory
  130  interrupted

Settings come from flags, the environment, config.env and defaults, in this order; the README
lists them all.
"""


@dataclass(frozen=True)
class Streams:
    """Where results go (stdout), and logs and progress (stderr)."""

    out: TextIO
    err: TextIO


def main(argv: Sequence[str], environ: Mapping[str, str], streams: Streams) -> int:
    """Run one command; the return value is the exit status.

    Args:
        argv: The arguments, the program's own name left out.
        environ: The process's environment.
        streams: Where to write.
    """
    arguments = _parser().parse_args(argv)
    configure(streams.err, level=_level(arguments), redact=Redactor(()))
    try:
        return _main(arguments, environ, streams)
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


def _main(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    settings = _settings(arguments, environ)
    redact = Redactor(settings.secrets)
    if settings.actions:
        mask(streams.err, settings.unmasked)
    has_colour = _has_colour(arguments.color, environ, streams.err)
    configure(streams.err, level=_level(arguments), redact=redact, has_colour=has_colour)
    command = arguments.command
    targets = _targets(arguments, settings)
    if not targets:
        print("SYNC_MODE is none: nothing to do", file=streams.err)
        return ExitStatus.OK
    images = _images(arguments, settings)
    if command == "name" and arguments.images:
        return _name(images, settings, targets, streams.out)
    if command == "name":
        return _name_list(images, settings, targets, arguments, streams)
    from orchestrator.run import RunOptions, run  # noqa: PLC0415  (starting up stays fast)

    options = RunOptions(
        targets=targets,
        is_forced=arguments.force,
        is_dry_run=arguments.dry_run or command == "plan",
        fails_fast=arguments.fail_fast,
        is_strict=arguments.strict,
    )
    with guarded(streams.err, settings.actions, title=f"syncer {command}"):
        report = run(images, settings, options, stderr=streams.err)
    with guarded(streams.err, settings.actions):
        if settings.webhooks and not arguments.no_notify and not options.is_dry_run:
            report = _notified(report, settings)
        _deliver(report, arguments, redact, streams.out)
    if settings.actions:
        said = tell_run(report, file=images.file, written=arguments.report, badge=arguments.badge)
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


def _deliver(report: Report, arguments: argparse.Namespace, redact: Redactor, out: TextIO) -> None:
    """Write the report where it was asked for."""
    from orchestrator.report.badge import badge_document, badge_of  # noqa: PLC0415
    from orchestrator.report.document import document  # noqa: PLC0415
    from orchestrator.report.summary import markdown_summary, text_summary  # noqa: PLC0415

    renderers = {"table": text_summary, "markdown": markdown_summary, "json": document}
    try:
        out.write(redact(renderers[arguments.output](report)))
        out.flush()
    finally:  # a reader of stdout that goes away does not cost the files
        if arguments.report:
            write_whole(Path(arguments.report), redact(document(report)))
        if arguments.badge and not report.is_dry_run:
            write_whole(Path(arguments.badge), badge_document(badge_of(report)))


def _name_list(
    images: ImageList,
    settings: Settings,
    targets: tuple[str, ...],
    arguments: argparse.Namespace,
    streams: Streams,
) -> ExitStatus:
    """Name the whole list; every bad line is told, and makes the status 1."""
    from orchestrator.names import markdown_names, names_of, text_names  # noqa: PLC0415

    names = names_of(images, settings, targets)
    render = markdown_names if arguments.output == "markdown" else text_names
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


def _settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    flags = {"JOBS": arguments.jobs or ""}
    config = Path(arguments.config) if arguments.config else None
    base = config.parent if config else Path(arguments.file or "images.txt").parent
    return load_settings(environ, base=base.absolute(), config=config, flags=flags)


def _targets(arguments: argparse.Namespace, settings: Settings) -> tuple[str, ...]:
    if arguments.command in BUILT_IN:
        return (arguments.command,)
    if arguments.command == "double":
        return tuple(reversed(BUILT_IN)) if settings.is_on_actions else BUILT_IN
    if arguments.to is None:
        return settings.mode
    named = tuple(dict.fromkeys(words(arguments.to)))
    if not named:
        raise UsageError("--to names no target", hint="write it as --to=aliyun,ghcr")
    return named


def _images(arguments: argparse.Namespace, settings: Settings) -> ImageList:
    given = arguments.images
    if not given:
        path = Path(arguments.file) if arguments.file else settings.base / "images.txt"
        return parse_list(_read_list(path), file=_shown_path(path))
    if arguments.name and len(given) > 1:
        raise UsageError("--name goes with one image", hint="give each image a command of its own")
    try:
        entries = tuple(
            parse_entry(image, platform=arguments.platform or "", name=arguments.name or "")
            for image in given
        )
    except FormatError as error:
        raise UsageError(error.message, hint=error.hint) from None
    return ImageList("", entries)


def _read_list(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise ConfigurationError(f"{path} is larger than {_LARGEST_LIST} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{_shown_path(path)} can't be read: {error.strerror}",
            hint="write one image a line into it, or name another with --file",
        ) from None


def _shown_path(path: Path) -> str:
    """As short as a person would write it; annotations want it from the working folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.DEBUG
    return logging.WARNING if arguments.quiet else logging.INFO


def _has_colour(wish: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour: as asked, else on a terminal that takes it (no-color.org)."""
    if wish != "auto":
        return wish == "always"
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="syncer",
        description="Mirror container images into registries you own, each at its newest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_global_options(is_first=True)],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"syncer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, takes, text in _COMMANDS:
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            parents=[_global_options(is_first=False), _working_options()],
            allow_abbrev=False,
        )
        if takes:
            command.add_argument("images", metavar="IMAGE", nargs=takes, help="as 'nginx:alpine'")
        _add_own_options(command, name)
    return parser


_COMMANDS: tuple[tuple[str, str | int, str], ...] = (
    ("batch", "", "mirror all entries of images.txt to the targets of SYNC_MODE"),
    ("aliyun", 1, "mirror one image to Aliyun"),
    ("ghcr", 1, "mirror one image to GHCR"),
    ("double", 1, "mirror one image to Aliyun and GHCR"),
    ("copy", 1, "mirror one image to any target"),
    ("plan", "*", "say what batch, or a copy of IMAGE, would do; change nothing"),
    ("name", "*", "print the destination of an image, or check the whole list; no network"),
)


def _global_options(*, is_first: bool) -> argparse.ArgumentParser:
    """Options that may stand before the command or after it; the later one holds."""

    def default(value: object) -> object:
        return value if is_first else argparse.SUPPRESS

    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = options.add_argument_group("global options, before or after the command")
    group.add_argument(
        "--config",
        metavar="FILE",
        default=default(None),
        help="the settings (config.env beside the list)",
    )
    group.add_argument(
        "-v", "--verbose", action="store_true", default=default(value=False), help="show commands"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", default=default(value=False), help="warnings only"
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default=default("auto"),
        help="colour the log (auto)",
    )
    return options


def _working_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = options.add_argument_group("working options")
    group.add_argument("--force", action="store_true", help="copy even what is in sync")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    group.add_argument("--jobs", metavar="N", help="items at once (JOBS, 4)")
    group.add_argument("--fail-fast", action="store_true", help="begin nothing after a failure")
    group.add_argument("--strict", action="store_true", help="a bad line stops everything")
    group.add_argument(
        "--output",
        choices=("table", "markdown", "json"),
        default="table",
        help="what stdout gets (table)",
    )
    group.add_argument("--report", metavar="FILE", help="write the JSON report there, too")
    group.add_argument("--no-notify", action="store_true", help="send nothing to WEBHOOK_URL")
    options.set_defaults(images=[], file=None, to=None, platform=None, name=None, badge=None)
    return options


def _add_own_options(command: argparse.ArgumentParser, name: str) -> None:
    if name == "batch":
        command.add_argument("--badge", metavar="FILE", help="write a shields.io badge there")
    if name in ("batch", "plan", "name"):
        command.add_argument("--file", metavar="FILE", help="the list (images.txt)")
    if name in ("batch", "plan", "copy", "name"):
        command.add_argument(
            "--to", metavar="T[,T...]", required=name == "copy", help="the targets (SYNC_MODE)"
        )
    if name != "batch":
        command.add_argument("--platform", metavar="P", help="as linux/arm64, or all")
        command.add_argument("--name", metavar="NAME", help="repository[:tag] at the target")
