"""The published schema of reports, and what a document says against it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


@cache
def report_validator() -> Draft202012Validator:
    """Knows `docs/report.schema.json`, which is checked to be a schema itself."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults_of(document: str) -> list[str]:
    """All that is wrong with a report."""
    faults = report_validator().iter_errors(json.loads(document))
    return [f"{fault.json_path}: {fault.message}" for fault in faults]
