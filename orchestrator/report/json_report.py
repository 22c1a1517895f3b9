"""The report for programs: JSON, schema 1 (docs/report.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone

from orchestrator.errors import ImageError, Problem
from orchestrator.oci.json_text import Json
from orchestrator.report.result import Report, Result

SCHEMA = 1


def document(report: Report) -> str:
    """The whole report as one JSON object, with a line break at its end."""
    whole: dict[str, Json] = {
        "schema": SCHEMA,
        "run_id": report.run_id,
        "started": as_rfc3339(report.started),
        "finished": as_rfc3339(report.finished),
        "seconds": round(report.seconds, 3),
        "version": report.version,
        "tools": {"skopeo": report.skopeo_version or None},
        "mode": report.mode,
        "shard": report.shard or None,
        "strict": report.is_strict,
        "totals": asdict(report.totals),
        "items": [_item(result) for result in report.results],
        "invalid": [problem_as_json(problem) for problem in report.problems],
        "warnings": list(report.warnings),
        "error": _run_error(report),
    }
    if report.counts:
        whole["targets"] = [asdict(one) for one in report.counts]
    return as_document(whole)


def as_document(whole: Mapping[str, Json]) -> str:
    """One JSON object as a text, with a line break at its end."""
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _run_error(report: Report) -> dict[str, Json] | None:
    error = report.error
    return {"message": error.message, "hint": error.hint} if error else None


def _item(result: Result) -> dict[str, Json]:
    item = result.item
    return {
        "line": item.line or None,
        "source": str(item.source),
        "platform": str(item.choice),
        "delivered": result.delivered or None,
        "target": item.target.name,
        "destination": str(item.destination),
        "pull": result.pull or None,
        "action": result.outcome.value,
        "reason": result.reason,
        "note": result.note or None,
        "told": result.is_told,
        "source_digest": result.source_digest,
        "expected_digest": result.expected_digest,
        "destination_digest_before": result.digest_before,
        "destination_digest": result.digest,
        "created": result.created or None,
        "platforms": list(result.platforms) or None,
        "size": result.size or None,
        "changed": as_rfc3339(result.changed) if result.changed else None,
        "visibility": result.visibility or None,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "attempts": result.attempts,
        "error": _error(result.error) if result.error else None,
    }


def _error(error: ImageError) -> dict[str, Json]:
    return {"kind": error.kind.value, "message": error.message, "hint": error.hint}


def problem_as_json(problem: Problem) -> dict[str, Json]:
    """A bad line, as the report has it."""
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.column or None,
        "text": problem.text,
        "message": f"{problem.message}; {problem.hint}" if problem.hint else problem.message,
    }


def as_rfc3339(moment: datetime) -> str:
    """A moment in UTC, with milliseconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
