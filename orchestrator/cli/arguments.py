"""What was typed, as a value; and where to write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO


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
        choice: What chooses tags, by the options' names.
        workflows: Whether `init` writes them, too.
        all: Whether the table lists what is in sync, too.
        directory: Where pages are written; None where none was named.
        repository: The page of the repository on GitHub; None where it was not named.
        files: That name images: compose files, Kubernetes' YAML, Dockerfiles; `-` is stdin.
        env_file: Where their variables are set, if not in `.env` beside each.
        adds: Whether `import` writes what is missing into the list.
        form: What `rewrite` writes in the place of the files; None for the files themselves.
        kind: What `export` makes; empty where nothing is made.
        listen: Where `serve` listens, as HOST:PORT; None for its usual place.
        event: What GitHub says of an issue, as a file.
        level: Of the log, as in `logging`.
        colour: Of the log: `auto`, `always` or `never`.
    """

    command: str
    images: tuple[str, ...] = ()
    file: str | None = None
    to: str | None = None
    platform: str | None = None
    name: str | None = None
    choice: Mapping[str, str] = field(default_factory=dict)
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
    shard: str | None = None
    shards: str | None = None
    reports: tuple[str, ...] = ()
    run: str | None = None
    workflows: bool = False
    directory: str | None = None
    repository: str | None = None
    files: tuple[str, ...] = ()
    env_file: str | None = None
    adds: bool = False
    form: str | None = None
    kind: str = ""
    listen: str | None = None
    event: str | None = None
    level: int = logging.INFO
    colour: str = "auto"
