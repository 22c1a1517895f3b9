"""A run as metrics in Prometheus' text format, as node_exporter's textfile collector reads them.

The format is prometheus-client's to write: it escapes labels and knows what a scraper takes.
"""

from __future__ import annotations

from collections import Counter

from orchestrator.errors import ExitStatus
from orchestrator.report.result import Report


def metrics_text(report: Report) -> str:
    """The last run: when, how long, how it ended, and what became of the items of each target."""
    # Only now, so that a run without metrics starts as fast as it can.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float) -> None:
        Gauge(f"syncer_last_run_{name}", meaning, registry=registry).set(value)

    totals = report.totals
    gauge("timestamp_seconds", "When it ended, as Unix counts it.", report.finished.timestamp())
    seconds = (report.finished - report.started).total_seconds()
    gauge("duration_seconds", "How long it took.", seconds)
    gauge("success", "1 where all is in sync, else 0.", report.exit_status is ExitStatus.OK)
    gauge("exit_status", "The program's exit status.", report.exit_status)
    gauge("moved_bytes", "Bytes that were moved to registries.", totals.bytes)
    gauge("counted_pulls", "Pulls that Docker Hub counts.", totals.pulls)
    gauge("bad_lines", "Lines of the list that can't be used.", totals.invalid)
    items = Gauge(
        "syncer_last_run_items",
        "Images by target, and by what became of them.",
        ["target", "outcome"],
        registry=registry,
    )
    counted = Counter((one.item.target.name, one.outcome.value) for one in report.results)
    for (target, outcome), count in counted.items():
        items.labels(target, outcome).set(count)
    return generate_latest(registry).decode()
