"""Dispatch: the command that was typed is carried out; an error becomes a message and a status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from importlib import import_module
from typing import TextIO

from orchestrator.cli.arguments import Arguments, Streams
from orchestrator.cli.table import command_named
from orchestrator.commands.inputs import Invocation, read_settings, read_webhooks
from orchestrator.config.settings import github_step
from orchestrator.errors import ExitStatus, SyncerError, explained
from orchestrator.report.github import mask, stopped_commands
from orchestrator.system.streams import is_reader_gone
from orchestrator.system.terminal import configure, has_colour
from orchestrator.text import Redactor, printable


def main(arguments: Arguments, environ: Mapping[str, str], streams: Streams) -> int:
    """Do what was typed; the return value is the exit status.

    Args:
        arguments: The command line.
        environ: The process's environment.
        streams: Where to write.
    """
    configure(streams.err, level=arguments.level, redact=Redactor(()))
    try:
        return _run(arguments, environ, streams)
    except SyncerError as error:
        failure = error
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and is_reader_gone(error):
            return ExitStatus.FAILED
        words, hint = explained(error)
        failure = SyncerError(words, hint=hint)
    try:
        _fail(failure, arguments, environ, streams.err)
    except (SyncerError, OSError) as error:
        print(printable(f"syncer: {error}"), file=streams.err)
    return failure.exit_status


def _run(arguments: Arguments, environ: Mapping[str, str], streams: Streams) -> ExitStatus:
    settings = read_settings(arguments, environ)
    invocation = Invocation(arguments, settings, environ, streams)
    if settings.github:
        mask(streams.err, settings.unmasked)
    is_coloured = has_colour(arguments.colour, environ, streams.err)
    configure(streams.err, level=arguments.level, redact=invocation.redact, is_coloured=is_coloured)
    # Only the command's own module, so that each starts as fast as it can.
    module = import_module(f"orchestrator.commands.{command_named(arguments.command).module}")
    run: Callable[[Invocation], ExitStatus] = module.run
    status = run(invocation)
    streams.out.flush()
    return status


def _fail(
    error: SyncerError, arguments: Arguments, environ: Mapping[str, str], err: TextIO
) -> None:
    """Say why nothing was done, to everybody who would have been told of a run."""
    # Only now, so that a command that goes well starts as fast as it can.
    from orchestrator.commands.reporting.failure import (  # noqa: PLC0415
        is_told,
        tell_failure,
        write_failure,
    )
    from orchestrator.system.http import HttpClient  # noqa: PLC0415

    github = github_step(environ)
    report = write_failure(error, arguments, github, err)
    if report and is_told(error) and not (arguments.no_notify or arguments.dry_run):
        webhooks = read_webhooks(arguments, environ)
        with stopped_commands(err, github), closing(HttpClient()) as http:
            tell_failure(report, webhooks, http, github)
