"""The command line: what may be typed (argparse), and what was typed as a value.

Nothing but the version is imported, so that `--help` and a typing error are answered at once.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TextIO

from orchestrator import __version__


@dataclass(frozen=True)
class Streams:
    """Where results go (stdout), and logs and progress (stderr)."""

    out: TextIO
    err: TextIO


@dataclass(frozen=True)
class Arguments:
    """The command line, read.

    Attributes:
        command: Its name.
        images: Given on the command line; empty where the list is meant.
        file: The list, where it is not images.txt.
        to: The targets, with commas; None where none were named.
        run: The id of a past run; None where all are meant.
        all: Whether the table lists what is in sync, too.
        level: Of the log, as in `logging`.
        colour: Of the log: `auto`, `always` or `never`.
    """

    command: str
    images: tuple[str, ...] = ()
    file: str | None = None
    to: str | None = None
    platform: str | None = None
    name: str | None = None
    config: str | None = None
    jobs: str | None = None
    force: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    strict: bool = False
    no_notify: bool = False
    with_signatures: bool = False
    all: bool = False
    output: str = "table"
    report: str | None = None
    badge: str | None = None
    run: str | None = None
    level: int = logging.INFO
    colour: str = "auto"


_EPILOG = """\
examples:
  syncer batch                          mirror all of images.txt to the targets of SYNC_MODE
  syncer plan                           say what batch would do, and change nothing
  syncer aliyun nginx:alpine            mirror one image to Aliyun
  syncer double redis:7 --platform=linux/arm64
  syncer copy quay.io/coreos/etcd:v3.5.0 --to ghcr --name etcd
  syncer name bitnami/redis:7           print the destination, without the network
  syncer doctor                         check all that a batch needs, and say what to fix
  syncer history                        list past runs
  syncer name                           check and name all of images.txt, without the network

exit status:
  0  all is in sync: copied, or already there
  1  an image failed, or a line of the list was bad
  2  the command line or the configuration is wrong
  3  skopeo is missing or too old
  4  another run holds the state directory
  130  interrupted

Settings come from flags, the environment, config.env and defaults, in this order.
"""


@dataclass(frozen=True)
class Command:
    """A command: how it is typed, and who carries it out.

    Attributes:
        summary: What it does, for the help.
        module: The module of `orchestrator.commands` whose `run` carries it out.
        images: How many images it takes, as argparse counts; empty where it takes none.
        options: The options of its own, by the names in `_OWN_OPTIONS`.
        is_run: Whether it takes the options of a run.
    """

    name: str
    summary: str
    module: str
    images: str | int = ""
    options: tuple[str, ...] = ()
    is_run: bool = True


_ONE_IMAGE = ("platform", "name")

COMMANDS: tuple[Command, ...] = (
    Command(
        "batch",
        "mirror all entries of images.txt to the targets of SYNC_MODE",
        "batch",
        options=("badge", "file", "to"),
    ),
    Command("aliyun", "mirror one image to Aliyun", "batch", 1, _ONE_IMAGE),
    Command("ghcr", "mirror one image to GHCR", "batch", 1, _ONE_IMAGE),
    Command("double", "mirror one image to Aliyun and GHCR", "batch", 1, _ONE_IMAGE),
    Command("copy", "mirror one image to any target", "batch", 1, ("required-to", *_ONE_IMAGE)),
    Command(
        "plan",
        "say what batch, or a copy of IMAGE, would do; change nothing",
        "batch",
        "*",
        ("file", "to", *_ONE_IMAGE),
    ),
    Command(
        "name",
        "print the destination of an image, or check the whole list; no network",
        "name",
        "*",
        ("file", "to", *_ONE_IMAGE),
    ),
    Command(
        "doctor",
        "check settings, list, tools, logins and the right to push; say what to fix",
        "doctor",
        options=("file", "to"),
        is_run=False,
    ),
    Command(
        "history",
        "list past runs, or what one of them changed",
        "history",
        options=("run",),
        is_run=False,
    ),
)
"""All commands, in the order of the help; parser, help and dispatch are made from these rows."""


def command_named(name: str) -> Command:
    """The command of this name; there is one, since the parser took it."""
    return next(command for command in COMMANDS if command.name == name)


def parse(argv: Sequence[str]) -> Arguments:
    """What was typed; an option that a command does not have is as if it were not given.

    Args:
        argv: The arguments, the program's own name left out.

    Raises:
        SystemExit: The help or the version was asked for, or it can't be parsed; what there is
            to say has been written.
    """
    parsed = _parser().parse_args(argv)
    given = {field.name for field in fields(Arguments)} & set(vars(parsed))
    arguments = Arguments(**{name: getattr(parsed, name) for name in given})
    return replace(arguments, images=tuple(arguments.images), level=_level(parsed))


def _level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.DEBUG
    return logging.WARNING if arguments.quiet else logging.INFO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="syncer",
        description="Mirror container images into registries you own, kept up to date.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_global_options(is_first=True)],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"syncer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        works = [_run_options()] if command.is_run else []
        subparser = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            parents=[_global_options(is_first=False), *works],
            allow_abbrev=False,
        )
        if command.images:
            subparser.add_argument(
                "images", metavar="IMAGE", nargs=command.images, help="as 'nginx:alpine'"
            )
        for option in command.options:
            _OWN_OPTIONS[option](subparser)
    return parser


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
        dest="colour",
        choices=("auto", "always", "never"),
        default=default("auto"),
        help="colour log and table (auto)",
    )
    return options


def _run_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = options.add_argument_group("options of a run")
    group.add_argument("--force", action="store_true", help="copy even what is in sync")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    group.add_argument("--jobs", metavar="N", help="copies at once (JOBS, 4)")
    group.add_argument(
        "--with-signatures", action="store_true", help="signatures and SBOMs go along (SIGNATURES)"
    )
    group.add_argument("--fail-fast", action="store_true", help="begin nothing after a failure")
    group.add_argument("--strict", action="store_true", help="a bad line stops everything")
    group.add_argument("--all", action="store_true", help="list what is in sync, too")
    group.add_argument(
        "--output",
        choices=("table", "markdown", "json"),
        default="table",
        help="what stdout gets (table)",
    )
    group.add_argument("--report", metavar="FILE", help="write the JSON report there, too")
    group.add_argument("--no-notify", action="store_true", help="send nothing to WEBHOOK_URL")
    return options


def _add_to(parser: argparse.ArgumentParser, *, is_required: bool = False) -> None:
    parser.add_argument(
        "--to", metavar="T[,T...]", required=is_required, help="the targets (SYNC_MODE)"
    )


_OWN_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], object]] = {
    "badge": lambda parser: parser.add_argument(
        "--badge", metavar="FILE", help="write a shields.io badge there"
    ),
    "file": lambda parser: parser.add_argument(
        "--file", metavar="FILE", help="the list (images.txt)"
    ),
    "to": _add_to,
    "required-to": lambda parser: _add_to(parser, is_required=True),
    "platform": lambda parser: parser.add_argument(
        "--platform", metavar="P", help="as linux/arm64, or all"
    ),
    "name": lambda parser: parser.add_argument(
        "--name", metavar="NAME", help="repository[:tag] at the target"
    ),
    "run": lambda parser: parser.add_argument(
        "run", metavar="RUN", nargs="?", help="one run, and its changes"
    ),
}
