"""The `history` command: past runs, or what one of them changed."""

from __future__ import annotations

from contextlib import closing

from orchestrator.commands.inputs import Invocation
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.report.history import text_results, text_runs
from orchestrator.state.store import State

_SHOWN_RUNS = 20
_ALL_RUNS = 1000


def run(invocation: Invocation) -> ExitStatus:
    """Write a table of past runs, or of what one of them changed."""
    with closing(State(invocation.settings.state_dir)) as state:
        run_id = invocation.arguments.run
        width = invocation.screen.width
        text = _of_run(state, run_id, width) if run_id else _of_all(state, width)
        invocation.streams.out.write(text)
    return ExitStatus.OK


def _of_all(state: State, width: int | None) -> str:
    runs = state.runs(_SHOWN_RUNS)
    return text_runs(runs, width=width) if runs else "there was no run yet\n"


def _of_run(state: State, run_id: str, width: int | None) -> str:
    results = state.results(run_id)
    if results:
        return text_results(results, width=width)
    if any(run.run_id == run_id for run in state.runs(_ALL_RUNS)):
        return "nothing changed in this run\n"
    raise UsageError(f"there is no run '{run_id}'", hint="syncer history lists them")
