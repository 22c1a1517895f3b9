from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.report.metrics import metrics_text
from orchestrator.report.result import Report
from tests.support.reports import a_report, copied, failed, skipped

PAGE = Path(__file__).parents[3] / "docs" / "notifications.md"


def values_of(report: Report) -> dict[tuple[str, ...], float]:
    """Each sample, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(metrics_text(report))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_run_is_counted_by_target_and_outcome() -> None:
    values = values_of(a_report(copied("a"), copied("b"), skipped("c"), failed("d")))
    items = {key[1:]: value for key, value in values.items() if key[0] == "syncer_last_run_items"}
    assert items == {("copied", "aliyun"): 2, ("skipped", "aliyun"): 1, ("failed", "aliyun"): 1}
    assert values["syncer_last_run_success",] == 0
    assert values["syncer_last_run_exit_status",] == 1


@pytest.mark.parametrize(
    ("report", "success"),
    [
        pytest.param(a_report(skipped("a")), 1, id="in sync"),
        pytest.param(a_report(), 1, id="empty"),
        pytest.param(a_report(failed("a")), 0, id="failed"),
    ],
)
def test_only_a_run_in_sync_is_a_success(report: Report, success: int) -> None:
    values = values_of(report)
    assert values["syncer_last_run_success",] == success
    assert values["syncer_last_run_timestamp_seconds",] == report.finished.timestamp()


def test_the_page_names_every_metric_and_no_other() -> None:
    written = {key[0] for key in values_of(a_report(copied("a")))}
    table = PAGE.read_text(encoding="utf-8").partition("<!-- metrics -->")[2]
    named = re.findall(r"^\| `(\w+)", table.partition("<!-- /metrics -->")[0], re.MULTILINE)
    assert set(named) == written
    assert len(named) == len(set(named))
