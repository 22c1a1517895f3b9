"""What may be typed: the parser and its help, made from the table of commands.

Nothing but the version is imported, so that `--help` and a typing error are answered at once.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import NoReturn

from orchestrator import __version__
from orchestrator.cli.arguments import Arguments
from orchestrator.cli.table import COMMANDS, GROUPS, Command

_WIDTH = 80
"""Columns that the help takes at most."""

_EPILOG = """\
examples:
  syncer batch                     mirror all of images.txt
  syncer aliyun nginx:alpine       mirror one image to Aliyun
  syncer double redis:7 --platform=linux/arm64
  syncer copy quay.io/coreos/etcd:v3.5.0 --to ghcr --name etcd
  syncer init                      begin with a config.env and an images.txt
  syncer name                      check and name all of images.txt
  syncer COMMAND --help            all that a command takes

exit status:
  0  all is in sync: copied, or already there
  1  an image failed, or a line of the list was bad
  2  the command line or the configuration is wrong
  3  skopeo is missing or too old
  4  another run holds the state directory
  130  interrupted

Settings come from flags, the environment, config.env, defaults, in this order.
"""


def parse(argv: Sequence[str]) -> Arguments:
    """What was typed; an option that a command does not have is as if it were not given.

    Args:
        argv: The arguments, the program's own name left out.

    Raises:
        SystemExit: The help or the version was asked for, or it can't be parsed; what there is
            to say has been written.
    """
    parser = _Parser.of_program()
    parser.typed = tuple(argv)
    if not argv:
        parser.print_help()
        parser.exit()
    parsed, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.commands[parsed.command].refuse(unknown)
    given = {field.name for field in fields(Arguments)} & set(vars(parsed))
    arguments = Arguments(**{name: getattr(parsed, name) for name in given})
    typed = ((one, getattr(parsed, one.strip("-").replace("-", "_"), None)) for one in _CHOICE)
    choice = {option: value for option, value in typed if value}
    return replace(
        arguments,
        images=tuple(arguments.images),
        reports=tuple(arguments.reports),
        files=tuple(arguments.files),
        choice=choice,
        level=_level(parsed),
    )


def _level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.DEBUG
    return logging.WARNING if arguments.quiet else logging.INFO


class _Parser(argparse.ArgumentParser):
    """argparse's, with a guess at what was meant, and help that fits 80 columns."""

    commands: Mapping[str, _Parser] = {}
    typed: Sequence[str] = ()

    @classmethod
    def of_program(cls) -> _Parser:
        """The whole command line's."""
        parser = cls(
            prog="syncer",
            usage="syncer [options] COMMAND ...",
            formatter_class=_help_formatter,
            allow_abbrev=False,
            description=_description(),
            epilog=_EPILOG,
            parents=[_global_options(is_first=True)],
        )
        parser.add_argument("--version", action="version", version=f"syncer {__version__}")
        commands = parser.add_subparsers(
            dest="command",
            required=True,
            prog="syncer",
            metavar="COMMAND",
            help=argparse.SUPPRESS,
        )
        parser.commands = {one.name: _add_command(commands, one) for one in COMMANDS}
        return parser

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what was meant, below the usage; the status is 2."""
        refused, _, choices = message.partition("(choose from ")
        word = re.search(r"invalid choice: '([^']*)'", refused)
        if word:
            self._refuse_before_command(word[1])
        guess = _guess(word[1], re.findall(r"[\w-]+", choices)) if word else ""
        if word and refused.startswith("argument COMMAND"):
            more = guess or "; 'syncer --help' lists them"
            super().error(f"'{word[1]}' is no command{more}")
        super().error(f"{message}{guess}")

    def _refuse_before_command(self, word: str) -> None:
        """Where `word` is no command but the value of an option before it, say so instead."""
        if word not in self.typed:
            return
        option = next(iter(reversed(self.typed[: self.typed.index(word)])), "")
        if not option.startswith("-") or option in self._option_string_actions:
            return
        parsers = self.commands.values()
        known = {name for one in parsers for name in one._option_string_actions}  # noqa: SLF001
        if option in known:
            super().error(f"'{option}' comes after the command")
        super().error(f"unknown option '{option}'{_guess(option, sorted(known))}")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Say that these words are no options or images of this command."""
        option = next((word for word in unknown if word.startswith("-")), "")
        if option:
            name = option.partition("=")[0]
            if name in self._option_string_actions:
                self.error(f"'{name}' comes after the command")
            guess = _guess(name, self._option_string_actions)
            self.error(f"unknown option '{option}'{guess}")
        hint = " (syncer aliyun IMAGE mirrors one)" if self.prog == "syncer batch" else ""
        self.error(f"'{unknown[0]}' is one word too many{hint}")


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=_WIDTH)


def _guess(word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415  (starting up stays fast)

    near = difflib.get_close_matches(word, tuple(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _description() -> str:
    """The first lines of the help: the commands in their groups."""
    lines = ["Mirror container images into registries you own, kept up to date."]
    for group in GROUPS:
        lines += ["", f"{group}:"]
        lines += [
            f"  {command.name:<10}{command.summary}"
            for command in COMMANDS
            if command.group == group
        ]
    return "\n".join(lines)


def _add_command(commands: argparse._SubParsersAction[_Parser], command: Command) -> _Parser:
    works = [_run_options()] if command.is_run else []
    works += [_output_options()] if command.prints else []
    parser = commands.add_parser(
        command.name,
        formatter_class=_help_formatter,
        allow_abbrev=False,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        parents=[_global_options(is_first=False), *works],
    )
    if command.images:
        parser.add_argument(
            "images", metavar="IMAGE", nargs=command.images, help="as 'nginx:alpine'"
        )
    for option in command.options:
        _OWN_OPTIONS[option](parser)
    return parser


def _global_options(*, is_first: bool) -> _Parser:
    """Options that may stand before the command or after it; the later one holds."""

    def default(value: object) -> object:
        return value if is_first else argparse.SUPPRESS

    options = _Parser(add_help=False, allow_abbrev=False)
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


def _run_options() -> _Parser:
    options = _Parser(add_help=False, allow_abbrev=False)
    group = options.add_argument_group("options of a run")
    group.add_argument("--force", action="store_true", help="copy even what is in sync")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    group.add_argument("--jobs", metavar="N", help="copies at once (JOBS, auto)")
    group.add_argument(
        "--with-signatures", action="store_true", help="signatures and SBOMs go along (SIGNATURES)"
    )
    group.add_argument("--fail-fast", action="store_true", help="begin nothing after a failure")
    group.add_argument(
        "--strict", action="store_true", help="a bad line stops everything; what is deferred fails"
    )
    _add_told(group)
    return options


def _add_told(options: argparse._ActionsContainer) -> None:
    """What belongs to every command that makes a report."""
    options.add_argument("--all", action="store_true", help="list what is in sync, too")
    options.add_argument("--report", metavar="FILE", help="write the JSON report there, too")
    options.add_argument("--no-notify", action="store_true", help="send nothing to WEBHOOK_URL")


def _output_options() -> _Parser:
    options = _Parser(add_help=False, allow_abbrev=False)
    options.add_argument(
        "--output",
        choices=("table", "markdown", "json"),
        default="table",
        help="what stdout gets (table)",
    )
    return options


def _add_to(parser: argparse.ArgumentParser, *, is_required: bool = False) -> None:
    parser.add_argument(
        "--to", metavar="T[,T...]", required=is_required, help="the targets (SYNC_MODE)"
    )


_CHOICE = {
    "--tags": ("GLOB[,GLOB]", "as '*-alpine'"),
    "--tags-regex": ("RE", "the whole tag matches"),
    "--exclude": ("GLOB[,GLOB]", "but for these"),
    "--semver": ("RANGE", "versions, as '>=1.25,<2' or '^1.25'"),
    "--latest": ("N", "the newest N versions"),
    "--per": ("PART", "major or minor: the newest of each"),
    "--min-age": ("AGE", "only what has been there for 3d, 12h"),
}


def _add_choice(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("choosing tags of a repository, as in images.txt")
    for option, (metavar, text) in _CHOICE.items():
        group.add_argument(option, metavar=metavar, help=text)


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
    "workflows": lambda parser: parser.add_argument(
        "--workflows", action="store_true", help="and what GitHub Actions needs to run it there"
    ),
    "shard": lambda parser: parser.add_argument(
        "--shard", metavar="K/N", help="only this part of the list"
    ),
    "shards": lambda parser: parser.add_argument(
        "--shards", metavar="N", help="how many there were (as the reports say)"
    ),
    "reports": lambda parser: parser.add_argument(
        "reports", metavar="REPORT", nargs="*", help="what a shard's --report wrote"
    ),
    "directory": lambda parser: parser.add_argument(
        "--output", metavar="DIR", dest="directory", help="where to write it (catalog)"
    ),
    "repository": lambda parser: parser.add_argument(
        "--repository", metavar="URL", help="its page on GitHub, where missing images are asked for"
    ),
    "files": lambda parser: parser.add_argument(
        "files", metavar="FILE", nargs="+", help="compose, Kubernetes, Dockerfile; - is stdin"
    ),
    "env-file": lambda parser: parser.add_argument(
        "--env-file", metavar="FILE", help="sets their variables (.env beside each)"
    ),
    "add": lambda parser: parser.add_argument(
        "--add", action="store_true", dest="adds", help="write them into the list"
    ),
    "as": lambda parser: parser.add_argument(
        "--as",
        choices=("compose-override", "kustomize"),
        dest="form",
        help="print this, and leave the files as they are",
    ),
    "event": lambda parser: parser.add_argument(
        "--event", metavar="FILE", required=True, help="GitHub's ($GITHUB_EVENT_PATH)"
    ),
    "kind": lambda parser: parser.add_argument(
        "kind",
        metavar="KIND",
        choices=("registries-conf", "k3s", "retag"),
        help="registries-conf (podman), k3s, or retag (a script)",
    ),
    "listen": lambda parser: parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where to listen (127.0.0.1:5100)"
    ),
    "told": _add_told,
    "choice": _add_choice,
    "run": lambda parser: parser.add_argument(
        "run", metavar="RUN", nargs="?", help="one run, and its changes"
    ),
}
