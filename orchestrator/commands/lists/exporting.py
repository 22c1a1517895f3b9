"""The `export` command: the list in the form that another program reads."""

from __future__ import annotations

from orchestrator.commands.inputs import Invocation
from orchestrator.commands.lists.sources import mirror_at, one_target
from orchestrator.errors import ExitStatus, FormatError, UsageError
from orchestrator.manifests.exports import exported
from orchestrator.oci.platform import PlatformChoice
from orchestrator.report.github import stopped_commands


def run(invocation: Invocation) -> ExitStatus:
    """Print the export; lines of the list that can't be used make the status 1.

    Raises:
        ConfigurationError: The list can't be read, or the target is not set up.
    """
    with stopped_commands(invocation.streams.err, invocation.settings.github):
        name = one_target(invocation)
        mirror, is_whole = mirror_at(name, invocation)
    items = mirror.for_platform(_platform(invocation))
    text = exported(invocation.arguments.kind, items, target=name, unknown=mirror.unknown)
    invocation.streams.out.write(text)
    return ExitStatus.OK if is_whole else ExitStatus.FAILED


def _platform(invocation: Invocation) -> PlatformChoice:
    """Of the machines that will read it: under one name they find one image."""
    written = invocation.arguments.platform
    try:
        return PlatformChoice.parse(written) if written else invocation.settings.default_platform
    except FormatError as error:
        raise UsageError(error.message, hint=error.hint) from None
