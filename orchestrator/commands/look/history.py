"""The `history` command: past runs, or what one of them changed."""

from __future__ import annotations

from contextlib import closing

from orchestrator.commands.inputs import Invocation
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.report.history import (
    PastResult,
    json_results,
    json_runs,
    markdown_results,
    markdown_runs,
    text_results,
    text_runs,
)
from orchestrator.state.store import State

_SHOWN_RUNS = 20
_ALL_RUNS = 1000


def run(invocation: Invocation) -> ExitStatus:
    """Write a table of past runs, or of what one of them changed."""
    with closing(State(invocation.settings.state_dir)) as state:
        run_id = invocation.arguments.run
        text = _of_run(state, run_id, invocation) if run_id else _of_all(state, invocation)
        invocation.streams.out.write(text)
    return ExitStatus.OK


def _of_all(state: State, invocation: Invocation) -> str:
    runs, words = state.runs(_SHOWN_RUNS), invocation.settings.words
    match invocation.arguments.output:
        case "json":
            return json_runs(runs)
        case _ if not runs:
            return "there was no run yet\n"
        case "markdown":
            return markdown_runs(runs, words)
        case _:
            return text_runs(runs, words, width=invocation.screen.width)


def _of_run(state: State, run_id: str, invocation: Invocation) -> str:
    results, words = _results(state, run_id), invocation.settings.words
    match invocation.arguments.output:
        case "json":
            return json_results(run_id, results)
        case _ if not results:
            return "nothing changed in this run\n"
        case "markdown":
            return markdown_results(results, words)
        case _:
            return text_results(results, words, width=invocation.screen.width)


def _results(state: State, run_id: str) -> tuple[PastResult, ...]:
    results = tuple(state.results(run_id))
    if not results and not any(run.run_id == run_id for run in state.runs(_ALL_RUNS)):
        raise UsageError(f"there is no run '{run_id}'", hint="syncer history lists them")
    return results
