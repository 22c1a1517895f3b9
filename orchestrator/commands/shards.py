"""The `shards` command: how many machines a list is worth, as the matrix of a job on Actions."""

from __future__ import annotations

from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.errors import ExitStatus
from orchestrator.plan.items import name_items
from orchestrator.plan.shard import matrix_of, shards_for
from orchestrator.report.github import StepOutput, stopped_commands, write_output


def run(invocation: Invocation) -> ExitStatus:
    """Count the items, without the network; a target need not be set up for it."""
    arguments, settings, streams = invocation.arguments, invocation.settings, invocation.streams
    known = {name: target.with_placeholders() for name, target in settings.targets.items()}
    chosen = chosen_targets(arguments, settings)
    named = name_items(
        read_images(arguments, settings),
        targets={settings.known_target(name).name: known[name] for name in chosen},
        others=known,
        default_platform=settings.default_platform,
    )
    shards = shards_for(len(named.items), most=settings.shard_above)
    matrix = matrix_of(shards)
    with stopped_commands(streams.err, settings.github):
        few = f"at most {settings.shard_above} in each (SHARD_ABOVE)"
        print(f"{len(named.items)} items: shards: {len(shards)}, {few}", file=streams.err)
        print(matrix, file=streams.out)
    if settings.github:
        outputs = {"matrix": matrix, "count": str(len(shards))}
        write_output(StepOutput(outputs=outputs), settings.github, streams.err)
    return ExitStatus.OK
