"""Reports as runs make them, for tests that read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind, ImageError, Problem
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Report, Result, TargetCount

STARTED = datetime(2024, 1, 1, tzinfo=timezone.utc)
ALIYUN = Target("aliyun", "registry.cn-hangzhou.aliyuncs.com", "mine")


def an_item(source: str = "nginx:alpine", *, line: int = 1, target: Target = ALIYUN) -> Item:
    reference = Reference.parse(source)
    name = reference.repository.rpartition("/")[2]
    destination = Reference.parse(f"{target.base}/{name}:{reference.tag or 'pinned'}")
    return Item(line, reference, PlatformChoice.parse("linux/amd64"), target, destination)


def copied(source: str = "nginx:alpine", *, size: int = 12_345_678, note: str = "") -> Result:
    return Result(an_item(source), Outcome.COPIED, "missing", bytes=size, note=note)


def skipped(source: str = "redis:7") -> Result:
    return Result(an_item(source), Outcome.SKIPPED, "same-digest")


def kept(source: str = "redis:6", *, is_told: bool = False) -> Result:
    note = "its source is not found"
    return Result(an_item(source), Outcome.KEPT, "gone-upstream", note=note, is_told=is_told)


def deferred(source: str = "mysql:8.0") -> Result:
    return Result(an_item(source), Outcome.DEFERRED, "the pull limit")


def failed(
    source: str = "nginx:nope", message: str = "there is no such tag", hint: str = "see the tags"
) -> Result:
    error = ImageError(ErrorKind.NOT_FOUND, message, hint=hint)
    return Result(an_item(source), Outcome.FAILED, error.kind.value, error=error)


def bad_line(message: str = "unknown option '--platfrom'") -> Problem:
    return Problem("images.txt", 14, 1, "--platfrom=x nginx", message, "did you mean '--platform'?")


def a_count(
    target: str = "aliyun", *, seconds: float | None = 130, no_forecast: str = "", unread: int = 0
) -> TargetCount:
    return TargetCount(
        target=target,
        repositories=12,
        most_repositories=300 if target == "aliyun" else None,
        tags=40,
        copies=3,
        layers=14,
        largest_layer=120 * 2**20,
        bytes=310 * 2**20,
        pulls=3,
        unread=unread,
        seconds=seconds,
        no_forecast=no_forecast,
    )


def a_report(
    *results: Result,
    problems: tuple[Problem, ...] = (),
    warnings: tuple[str, ...] = (),
    seconds: float = 192,
    is_interrupted: bool = False,
    is_dry_run: bool = False,
    is_strict: bool = False,
    counts: tuple[TargetCount, ...] = (),
) -> Report:
    return Report(
        run_id="20240101-000000-abcd",
        version="0.1.0",
        skopeo_version="1.9.3",
        mode="aliyun,ghcr",
        started=STARTED,
        finished=STARTED + timedelta(seconds=seconds),
        results=results,
        problems=problems,
        warnings=warnings,
        is_interrupted=is_interrupted,
        is_dry_run=is_dry_run,
        is_strict=is_strict,
        counts=counts,
    )
