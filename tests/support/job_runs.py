"""What came of a workflow that was played: of its jobs, and of their steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.step_log import Command
    from tests.support.workflows import Node


@dataclass(frozen=True)
class StepRun:
    """What came of one step: of a script, or of an action that was only written down."""

    name: str
    status: int = 0
    lines: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    outputs: Mapping[str, Node] = field(default_factory=dict)
    summary: str = ""
    uses: str = ""
    given: Mapping[str, Node] = field(default_factory=dict)
    is_stopped: bool = False

    @property
    def log(self) -> str:
        """What the page of the run shows."""
        return "\n".join(self.lines)

    @property
    def errors(self) -> tuple[Command, ...]:
        """The errors among the annotations."""
        return self.named("error")

    def named(self, name: str) -> tuple[Command, ...]:
        """The commands of this name, such as `warning`."""
        return tuple(command for command in self.commands if command.name == name)


@dataclass(frozen=True)
class JobRun:
    """What came of one job.

    Attributes:
        dropped: Names of outputs that held a secret's value, and were not passed on.
        parts: The jobs that a matrix made of it.
    """

    result: str
    steps: tuple[StepRun, ...] = ()
    outputs: Mapping[str, Node] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    parts: tuple[JobRun, ...] = ()

    def step(self, name: str) -> StepRun:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True)
class WorkflowRun:
    """What came of a workflow."""

    group: str
    jobs: Mapping[str, JobRun]

    @property
    def result(self) -> str:
        """How the run is shown: by its worst job."""
        results = {job.result for job in self.jobs.values()}
        worst = ("failure", "cancelled")
        return next((result for result in worst if result in results), "success")


def together(runs: list[JobRun]) -> JobRun:
    """The jobs of a matrix as others see them: the worst result, the last of each output."""
    outputs: dict[str, Node] = {}
    for run in runs:
        outputs.update({name: value for name, value in run.outputs.items() if value})
    results = [run.result for run in runs]
    worst = next((one for one in ("failure", "cancelled") if one in results), results[0])
    steps = tuple(step for run in runs for step in run.steps)
    dropped = tuple(name for run in runs for name in run.dropped)
    return JobRun(worst, steps, outputs, dropped, tuple(runs))
