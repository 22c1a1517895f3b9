"""Dispatch: the command that was typed is carried out; an error becomes a message and a status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TextIO

from orchestrator.cli import Arguments, Streams, command_named
from orchestrator.commands.inputs import Invocation, read_settings
from orchestrator.config.load import load_github_step
from orchestrator.config.settings import GitHubStep
from orchestrator.errors import ExitStatus, SyncerError
from orchestrator.report.github import StepOutput, mask, of_error, stopped_commands, write_output
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
        _write_error(error, load_github_step(environ), streams.err)
        return error.exit_status
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitStatus.FAILED


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
    return run(invocation)


def _write_error(error: SyncerError, github: GitHubStep | None, err: TextIO) -> None:
    """Say why nothing was done."""
    with stopped_commands(err, github):
        print(printable(f"syncer: {error.message}"), file=err)
        if error.hint:
            print(printable(f"  -> {error.hint}"), file=err)
    if github:
        write_output(StepOutput(of_error(error)), github, err)
