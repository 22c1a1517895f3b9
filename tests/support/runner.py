"""Plays GitHub's runner: a workflow's steps, from its YAML, on this machine.

It has what our workflows use of it: contexts and expressions, jobs that need others, composite
actions, the files GITHUB_OUTPUT and so on, and the commands that a step may print. `uses:` of an
action of others is written down and not carried out. The limits of the real one are its own:
what it would drop or refuse is an error here.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from tests.support import workflows
from tests.support.artifacts import Artifacts
from tests.support.expressions import as_text, fill, is_true
from tests.support.job_runs import JobRun, StepRun, WorkflowRun, together
from tests.support.step_log import masked, obeyed, pairs
from tests.support.step_process import Stop, run_step
from tests.support.workflows import Node, Table, sequence, table, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LARGEST_SUMMARY = 1024 * 1024
MOST_ANNOTATIONS = 10
_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE", "GITHUB_ENV", "GITHUB_PATH")


@dataclass(frozen=True)
class Event:
    """What sets a workflow off, and what the repository has for it."""

    name: str
    inputs: Mapping[str, Node] = field(default_factory=dict)
    secrets: Mapping[str, Node] = field(default_factory=dict)
    variables: Mapping[str, Node] = field(default_factory=dict)
    ref_name: str = "main"
    ref_type: str = "branch"
    is_template: bool = False
    token: str = "the-workflows-own-token"
    run_id: int = 4711
    payload: Mapping[str, Node] = field(default_factory=dict)


@dataclass
class _Scope:
    """What a step can see, and what has become of the steps before it."""

    contexts: dict[str, Node]
    environ: Mapping[str, str]
    directory: Path
    has_failed: bool = False
    stop: Stop | None = None
    is_cancelled: bool = False
    done: list[StepRun] = field(default_factory=list)

    def filled(self, node: Node) -> Node:
        return fill(node, self.contexts, self._functions)

    def holds(self, condition: Node) -> bool:
        """Whether an `if` holds; one that names no state wants all to have gone well."""
        is_well = not (self.has_failed or self.is_cancelled)
        if condition is None:
            return is_well
        source = text(condition)
        value = self.filled(source if "${{" in source else f"${{{{ {source} }}}}")
        names_state = re.search(r"\b(always|cancelled|failure|success)\(\)", source)
        return is_true(value) and (bool(names_state) or is_well)

    @property
    def _functions(self) -> Mapping[str, Callable[[], bool]]:
        return {
            "always": lambda: True,
            "cancelled": lambda: self.is_cancelled,
            "failure": lambda: self.has_failed and not self.is_cancelled,
            "success": lambda: not (self.has_failed or self.is_cancelled),
        }


@final
class Runner:
    """A runner with one checkout.

    Args:
        checkout: The repository, as `actions/checkout` leaves it.
        temporary: What the runner has for itself.
        environ: What a step sees besides.
        repository: `owner/name`.
        server: Where the repository is.
    """

    def __init__(
        self,
        checkout: Path,
        temporary: Path,
        environ: Mapping[str, str],
        *,
        repository: str = "octocat/mirror",
        server: str = "https://github.com",
    ) -> None:
        self._checkout = checkout
        self._temporary = temporary
        self._repository = repository
        self._server = server
        self._environ = dict(environ)
        self._artifacts = Artifacts(temporary.parent / f"{temporary.name}-artifacts")
        temporary.mkdir(exist_ok=True)

    def run(self, workflow: str, event: Event, *, stop: Stop | None = None) -> WorkflowRun:
        """Run a workflow of the checkout, by the name of its file, until its end or `stop`."""
        document = workflows.read(self._checkout / ".github" / "workflows" / workflow)
        trigger = table(document["on"])
        assert event.name in trigger, f"{workflow} does not begin on {event.name}"
        how = trigger[event.name]
        declared = table(how.get("inputs")) if isinstance(how, dict) else {}
        inputs = _inputs(declared, event)
        contexts = self._contexts(text(document["name"]), event, inputs)
        outermost = _Scope(contexts, self._environ, self._checkout)
        group = as_text(outermost.filled(table(document["concurrency"])["group"]))
        jobs: dict[str, JobRun] = {}
        for name, node in table(document["jobs"]).items():
            jobs[name] = self._jobs_of(table(node), contexts, jobs, stop=stop)
        return WorkflowRun(group, jobs)

    def run_job(self, job: Table, workflow: str, event: Event) -> JobRun:
        """Run one job that needs no other."""
        return self._job(job, self._contexts(workflow, event, {}), {})

    def _contexts(self, workflow: str, event: Event, inputs: Table) -> dict[str, Node]:
        owner, _, _ = self._repository.partition("/")
        github: Table = {
            "actor": owner,
            "event_name": event.name,
            "ref": f"refs/{'heads' if event.ref_type == 'branch' else 'tags'}/{event.ref_name}",
            "ref_name": event.ref_name,
            "ref_type": event.ref_type,
            "repository": self._repository,
            "repository_owner": owner,
            "run_attempt": "1",
            "run_id": str(event.run_id),
            "server_url": self._server,
            "token": event.token,
            "workflow": workflow,
            "workspace": str(self._checkout),
            "event": {
                "repository": {"default_branch": "main", "is_template": event.is_template},
                "inputs": inputs,
                **event.payload,
            },
        }
        event_path = self._temporary / "event.json"
        event_path.write_text(json.dumps(github["event"]), encoding="utf-8")
        runner: Table = {"os": "Linux", "temp": str(self._temporary)}
        return {
            "github": github,
            "inputs": inputs,
            "secrets": dict(event.secrets),
            "vars": dict(event.variables),
            "runner": runner,
            "env": {},
        }

    def _jobs_of(
        self,
        job: Table,
        contexts: dict[str, Node],
        before: Mapping[str, JobRun],
        *,
        stop: Stop | None,
    ) -> JobRun:
        """A job, or all that its matrix makes of it, one after the other."""
        needs: Table = {
            name: {"result": run.result, "outputs": dict(run.outputs)}
            for name, run in before.items()
        }
        scope = _Scope({**contexts, "needs": needs}, {}, self._checkout)
        matrix = table(scope.filled(table(job.get("strategy")).get("matrix")))
        if set(matrix) != {"shard"}:
            return self._job(job, contexts, before, stop=stop)
        runs: list[JobRun] = []
        for index, shard in enumerate(sequence(matrix["shard"])):
            own: Table = {
                **contexts,
                "matrix": {"shard": shard},
                "strategy": {"job-index": str(index)},
            }
            its = stop if stop and stop.shard in ("", shard) else None
            runs.append(self._job(job, own, before, stop=its))
        return together(runs)

    def _job(
        self,
        job: Table,
        contexts: dict[str, Node],
        before: Mapping[str, JobRun],
        *,
        stop: Stop | None = None,
    ) -> JobRun:
        needed = [before[text(name)] for name in sequence(job.get("needs"))]
        needs: Table = {
            text(name): {
                "result": before[text(name)].result,
                "outputs": dict(before[text(name)].outputs),
            }
            for name in sequence(job.get("needs"))
        }
        own = {**contexts, "needs": needs, "steps": {}}
        scope = _Scope(own, self._job_environ(own), self._checkout, stop=stop)
        # A cancelled workflow is cancelled for all its jobs, one whose time was up is not.
        is_over = any(one.result == "cancelled" for one in before.values())
        scope.is_cancelled = is_over and not (stop and stop.is_timeout)
        scope.has_failed = any(one.result != "success" for one in needed)
        if not scope.holds(job.get("if")):
            return JobRun("skipped")
        scope.has_failed = scope.is_cancelled = False
        self._run_steps(job, scope)
        outputs = {name: scope.filled(value) for name, value in table(job.get("outputs")).items()}
        hidden = masked(_secrets(contexts, scope.done))
        dropped = tuple(
            name for name, value in outputs.items() if any(one in as_text(value) for one in hidden)
        )
        kept = {name: value for name, value in outputs.items() if name not in dropped}
        result = "failure" if scope.has_failed else "success"
        if scope.is_cancelled:
            result = "cancelled"
        return JobRun(result, tuple(scope.done), kept, dropped)

    def _job_environ(self, contexts: Mapping[str, Node]) -> dict[str, str]:
        github = table(contexts["github"])
        told = (
            "actor event_name ref ref_name ref_type repository repository_owner run_id run_attempt "
            "server_url workflow workspace"
        ).split()
        return {
            **{f"GITHUB_{name.upper()}": as_text(github[name]) for name in told},
            "CI": "true",
            "GITHUB_EVENT_PATH": str(self._temporary / "event.json"),
            "GITHUB_ACTIONS": "true",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self._temporary),
            # What this machine is not: bin/free-disk must find nothing to remove here.
            "RUNNER_ENVIRONMENT": "self-hosted",
            **self._environ,
        }

    def _run_steps(self, owner: Table, scope: _Scope) -> None:
        for node in sequence(owner["steps"]):
            step = table(node)
            if not scope.holds(step.get("if")):
                continue
            for one in self._step(step, scope):
                scope.done.append(one)
            last = scope.done[-1]
            if last.is_stopped and scope.stop and scope.stop.is_kill:
                scope.has_failed = True
                return
            scope.is_cancelled = scope.is_cancelled or last.is_stopped
            scope.has_failed = scope.has_failed or last.status != 0
            if "id" in step:
                done: Table = {"outputs": dict(last.outputs), "outcome": _outcome(last.status)}
                table(scope.contexts["steps"])[text(step["id"])] = done

    def _step(self, step: Table, scope: _Scope) -> Iterator[StepRun]:
        environ = {
            name: as_text(scope.filled(value)) for name, value in table(step.get("env")).items()
        }
        if "run" in step:
            yield self._script(step, {**scope.environ, **environ}, scope)
            return
        uses = text(step["uses"])
        given = {name: scope.filled(value) for name, value in table(step.get("with")).items()}
        if uses.startswith("./"):
            yield from self._composite(step, given, environ, scope)
        else:
            self._artifacts.play(uses, given)
            yield StepRun(text(step.get("name")) or uses, uses=uses, given=given)

    def _composite(
        self, step: Table, given: Table, environ: Mapping[str, str], scope: _Scope
    ) -> Iterator[StepRun]:
        """An action of the repository: its steps see its inputs, but no secrets."""
        uses = text(step["uses"])
        action = workflows.read(self._checkout / uses / "action.yml")
        declared = table(action["inputs"])
        assert set(given) <= set(declared), f"{uses} has no {set(given) - set(declared)}"
        inputs: Table = {}
        for name, node in declared.items():
            value = given.get(name, scope.filled(table(node).get("default")))
            inputs[name] = as_text(value)
        visible = {"github", "runner", "env"}
        contexts = {name: value for name, value in scope.contexts.items() if name in visible}
        inner = _Scope(
            {**contexts, "inputs": inputs, "steps": {}},
            {**scope.environ, **environ},
            scope.directory,
            stop=scope.stop,
        )
        self._run_steps(table(action["runs"]), inner)
        yield from inner.done
        outputs = {
            name: inner.filled(table(node)["value"])
            for name, node in table(action.get("outputs")).items()
        }
        yield StepRun(
            text(step.get("name")) or uses,
            int(inner.has_failed),
            outputs=outputs,
            uses=uses,
            is_stopped=inner.is_cancelled,
        )

    def _script(self, step: Table, environ: Mapping[str, str], scope: _Scope) -> StepRun:
        assert "${{" not in text(step["run"]), "an expression in a script"
        folder = Path(tempfile.mkdtemp(prefix="_step-", dir=self._temporary))
        script = folder / "script.sh"
        script.write_text(text(step["run"]), encoding="utf-8")
        files = {name: folder / name for name in _FILES}
        for path in files.values():
            path.touch()
        strict = ["--noprofile", "--norc", "-eo", "pipefail"] if "shell" in step else ["-e"]
        told = {**environ, **{name: str(path) for name, path in files.items()}}
        stop = None if scope.is_cancelled else scope.stop
        status, lines = run_step(["bash", *strict, str(script)], told, scope.directory, stop)
        commands = tuple(obeyed(lines))
        summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        assert len(summary.encode()) <= LARGEST_SUMMARY, "the summary would be refused"
        for level in ("error", "warning", "notice"):
            found = [command for command in commands if command.name == level]
            assert len(found) <= MOST_ANNOTATIONS, "annotations would be dropped"
        outputs = dict(pairs(files["GITHUB_OUTPUT"].read_text(encoding="utf-8")))
        name = text(step.get("name")) or text(step["run"])
        is_stopped = stop is not None and any(stop.at in line for line in lines)
        return StepRun(name, status, lines, commands, outputs, summary, is_stopped=is_stopped)


def _inputs(declared: Table, event: Event) -> Table:
    """A form as it was filled in: what is missing has its default, or nothing."""
    assert set(event.inputs) <= set(declared), "the form has no such field"
    inputs: Table = {}
    for name, node in declared.items():
        what = table(node)
        assert not what.get("required") or name in event.inputs, f"{name} is required"
        inputs[name] = event.inputs.get(name, what.get("default", ""))
    return inputs


def _secrets(contexts: Table, done: list[StepRun]) -> Iterator[str]:
    yield from map(as_text, table(contexts["secrets"]).values())
    yield as_text(table(contexts["github"])["token"])
    for step in done:
        yield from (command.data for command in step.commands if command.name == "add-mask")


def _outcome(status: int) -> str:
    return "failure" if status else "success"
