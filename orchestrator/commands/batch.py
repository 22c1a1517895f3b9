"""The commands that mirror, or plan it: run, report, notify."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.cli.arguments import Arguments
from orchestrator.commands.inputs import Invocation, chosen_shard, chosen_targets, read_images
from orchestrator.commands.reporting.conclude import conclude, start_told
from orchestrator.commands.reporting.first_steps import not_set_up
from orchestrator.errors import ExitStatus
from orchestrator.report.github import (
    output_of_nothing,
    stopped_commands,
    write_output,
)
from orchestrator.sync.run import RunOptions, run_sync
from orchestrator.sync.session import StopSignal


def run(invocation: Invocation) -> ExitStatus:
    """Do a run, or plan one; write the report, and notify the chats."""
    arguments, settings = invocation.arguments, invocation.settings
    err = invocation.streams.err
    targets = chosen_targets(arguments, settings)
    if not targets:
        print("SYNC_MODE is none: nothing to do", file=err)
        if settings.github:
            write_output(output_of_nothing(), settings.github, err)
        return ExitStatus.OK
    if settings.github and settings.is_untouched and arguments.command == "batch":
        print("nothing is set up yet, so there is nothing to do", file=err)
        write_output(not_set_up(settings.github, settings.words), settings.github, err)
        return ExitStatus.OK
    images = read_images(arguments, settings)
    stop = StopSignal()
    with stop.on_signals():
        options = _options(arguments, targets, stop)
        with (
            start_told(invocation, is_dry_run=options.is_dry_run),
            stopped_commands(err, settings.github, title=f"syncer {arguments.command}"),
        ):
            shares = options.shard.count if options.shard else 1
            report = run_sync(images, replace(settings, shares=shares), options, stderr=err)
        conclude(report.redacted(invocation.redact), invocation, file=images.file)
    return report.exit_status


def _options(arguments: Arguments, targets: tuple[str, ...], stop: StopSignal) -> RunOptions:
    return RunOptions(
        targets=targets,
        is_forced=arguments.force,
        is_dry_run=arguments.dry_run or arguments.command == "plan",
        fails_fast=arguments.fail_fast,
        is_strict=arguments.strict,
        shard=chosen_shard(arguments),
        stop=stop,
    )
