"""The table of commands: parser, help and dispatch are made from its rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: how it is typed, and who carries it out.

    Attributes:
        group: Where it stands in the help.
        summary: What it does, for the help.
        module: The module below `orchestrator.commands` whose `run` carries it out.
        images: How many images it takes, as argparse counts; empty where it takes none.
        options: The options of its own, by the names in `_OWN_OPTIONS`.
        is_run: Whether it takes the options of a run.
        prints: Whether its result goes to stdout, in a form of the user's choice.
    """

    name: str
    group: str
    summary: str
    module: str
    images: str | int = ""
    options: tuple[str, ...] = ()
    is_run: bool = True
    prints: bool = True


GROUPS = _MIRROR, _LOOK, _LISTS, _SET_UP = "mirror", "look", "from files and back", "set up"
"""The groups of the help, in their order."""

_ONE_IMAGE = ("platform", "name", "choice")

COMMANDS: tuple[Command, ...] = (
    Command(
        "batch",
        _MIRROR,
        "mirror all of images.txt to the targets of SYNC_MODE",
        "batch",
        options=("badge", "file", "to", "shard"),
    ),
    Command("aliyun", _MIRROR, "mirror one image to Aliyun", "batch", 1, _ONE_IMAGE),
    Command("ghcr", _MIRROR, "mirror one image to GHCR", "batch", 1, _ONE_IMAGE),
    Command("double", _MIRROR, "mirror one image to Aliyun and GHCR", "batch", 1, _ONE_IMAGE),
    Command(
        "copy", _MIRROR, "mirror one image to any target", "batch", 1, ("required-to", *_ONE_IMAGE)
    ),
    Command(
        "plan",
        _LOOK,
        "say what batch or a copy of IMAGE would do, and what targets need",
        "batch",
        "*",
        ("file", "to", "shard", *_ONE_IMAGE),
    ),
    Command(
        "merge",
        _MIRROR,
        "make one report of those of all shards",
        "merge",
        options=("reports", "shards", "file", "to", "badge", "told"),
        is_run=False,
    ),
    Command(
        "shards",
        _LOOK,
        "say how many shards the list is worth",
        "shards",
        options=("file", "to"),
        is_run=False,
    ),
    Command(
        "name",
        _LOOK,
        "print destinations, or check the whole list; no network",
        "name",
        "*",
        ("file", "to", *_ONE_IMAGE),
    ),
    Command(
        "import",
        _LISTS,
        "print the images of files that the list lacks, or add them",
        "lists.importing",
        options=("files", "env-file", "add", "file", "to"),
        is_run=False,
        prints=False,
    ),
    Command(
        "rewrite",
        _LISTS,
        "write the mirror's addresses into files",
        "lists.rewriting",
        options=("files", "env-file", "as", "file", "to"),
        is_run=False,
        prints=False,
    ),
    Command(
        "export",
        _LISTS,
        "print the list for podman, for k3s, or as a script",
        "lists.exporting",
        options=("kind", "platform", "file", "to"),
        is_run=False,
        prints=False,
    ),
    Command(
        "ask",
        _MIRROR,
        "mirror what an issue on GitHub asks for, and answer it",
        "lists.asking",
        options=("event", "file", "to", "told"),
        is_run=False,
    ),
    Command(
        "init",
        _SET_UP,
        "write a config.env and an images.txt to begin with",
        "init",
        options=("workflows",),
        is_run=False,
    ),
    Command(
        "doctor",
        _SET_UP,
        "try all that a run needs, and say what to fix",
        "doctor",
        options=("file", "to"),
        is_run=False,
    ),
    Command(
        "config",
        _SET_UP,
        "say what is in force, and where each value is from",
        "look.config",
        is_run=False,
    ),
    Command(
        "history",
        _LOOK,
        "list past runs, or what one of them changed",
        "look.history",
        options=("run",),
        is_run=False,
    ),
    Command(
        "catalog",
        _LOOK,
        "write a page of what is mirrored, to search and copy from",
        "look.catalog",
        options=("directory", "reports", "file", "to", "repository"),
        is_run=False,
        prints=False,
    ),
    Command(
        "serve",
        _LOOK,
        "answer pulls of original names from the mirror",
        "look.serve",
        options=("listen", "file", "to", "platform"),
        is_run=False,
        prints=False,
    ),
)
"""All commands, in the order of the help; parser, help and dispatch are made from these rows."""


def command_named(name: str) -> Command:
    """The command of this name; there is one, since the parser took it."""
    return next(command for command in COMMANDS if command.name == name)
