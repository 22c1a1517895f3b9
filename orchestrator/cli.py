"""The command line: what the user typed becomes a run, and its report an exit status."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from orchestrator import __version__
from orchestrator.command_line import Streams, Typed

_EPILOG = """\
examples:
  syncer batch                          mirror all of images.txt to the targets of SYNC_MODE
  syncer plan                           say what batch would do, and change nothing
  syncer aliyun nginx:alpine            mirror one image to Aliyun
  syncer double redis:7 --platform=linux/arm64
  syncer copy quay.io/coreos/etcd:v3.5.0 --to ghcr --name etcd
  syncer name bitnami/redis:7           print the destination, without the network
  syncer doctor                         check all that a batch needs, and say what to fix
  syncer history                        tell of past runs
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


def main(argv: Sequence[str], environ: Mapping[str, str], streams: Streams) -> int:
    """Run one command; the return value is the exit status.

    Args:
        argv: The arguments, the program's own name left out.
        environ: The process's environment.
        streams: Where to write.
    """
    typed = _typed(_parser().parse_args(argv))
    # Only now, so that --help and --version start fast.
    from orchestrator.commands import main as carry_out  # noqa: PLC0415

    return carry_out(typed, environ, streams)


def _typed(arguments: argparse.Namespace) -> Typed:
    """What was typed; an option that a command does not have is as if it were not given."""
    given = {field.name for field in fields(Typed)} & set(vars(arguments))
    typed = Typed(**{name: getattr(arguments, name) for name in given})
    return replace(typed, images=tuple(typed.images), level=_level(arguments))


def _level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.DEBUG
    return logging.WARNING if arguments.quiet else logging.INFO


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
        works = [] if name in (_DOCTOR, _HISTORY) else [_working_options()]
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            parents=[_global_options(is_first=False), *works],
            allow_abbrev=False,
        )
        if takes:
            command.add_argument("images", metavar="IMAGE", nargs=takes, help="as 'nginx:alpine'")
        if name == _HISTORY:
            command.add_argument("run", metavar="RUN", nargs="?", help="one run, and its changes")
        else:
            _add_own_options(command, name)
    return parser


_DOCTOR = "doctor"
_HISTORY = "history"


_COMMANDS: tuple[tuple[str, str | int, str], ...] = (
    ("batch", "", "mirror all entries of images.txt to the targets of SYNC_MODE"),
    ("aliyun", 1, "mirror one image to Aliyun"),
    ("ghcr", 1, "mirror one image to GHCR"),
    ("double", 1, "mirror one image to Aliyun and GHCR"),
    ("copy", 1, "mirror one image to any target"),
    ("plan", "*", "say what batch, or a copy of IMAGE, would do; change nothing"),
    ("name", "*", "print the destination of an image, or check the whole list; no network"),
    (_DOCTOR, "", "check settings, list, tools, logins and the right to push; say what to fix"),
    (_HISTORY, "", "tell of past runs, or of what one of them changed"),
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
        dest="colour",
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
    group.add_argument("--jobs", metavar="N", help="copies at once (JOBS, 4)")
    group.add_argument(
        "--with-signatures", action="store_true", help="signatures and SBOMs go along (SIGNATURES)"
    )
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
    return options


def _add_own_options(command: argparse.ArgumentParser, name: str) -> None:
    if name == "batch":
        command.add_argument("--badge", metavar="FILE", help="write a shields.io badge there")
    if name in ("batch", "plan", "name", _DOCTOR):
        command.add_argument("--file", metavar="FILE", help="the list (images.txt)")
    if name in ("batch", "plan", "copy", "name", _DOCTOR):
        command.add_argument(
            "--to", metavar="T[,T...]", required=name == "copy", help="the targets (SYNC_MODE)"
        )
    if name not in ("batch", _DOCTOR):
        command.add_argument("--platform", metavar="P", help="as linux/arm64, or all")
        command.add_argument("--name", metavar="NAME", help="repository[:tag] at the target")
