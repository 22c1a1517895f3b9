"""What a plan comes to for each target: what it counts, and how long its copies may take.

The forecast goes by what earlier runs have measured of the way to the registry, and by nothing
else: where they have not, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from orchestrator.language import gettext_noop
from orchestrator.oci.reference import Digest
from orchestrator.report.result import Outcome, Result, Speed, TargetCount, of_outcome
from orchestrator.state.store import State
from orchestrator.system.progress import Transfers

_LEAST_MOVED = 1024 * 1024
"""Bytes; less tells of round trips, not of what the way carries."""

_UNMEASURED = gettext_noop("no run has copied enough there yet to know how fast that is")
_UNREAD = gettext_noop("not every image's size is known beforehand")


def remember_speeds(results: Iterable[Result], transfers: Transfers, state: State) -> None:
    """Keep how fast the copies to each registry were; where some failed, that tells nothing."""
    moved: dict[str, int] = {}
    doubtful: set[str] = set()
    for result in results:
        registry = result.item.destination.registry
        if result.outcome is Outcome.COPIED:
            moved[registry] = moved.get(registry, 0) + result.bytes
        elif result.attempts:
            doubtful.add(registry)
    for registry, count in moved.items():
        seconds = transfers.seconds_to(registry)
        if count and seconds and registry not in doubtful:
            now, before = Speed(count, seconds), state.speed(registry)
            state.remember_speed(registry, before.and_then(now) if before else now)


def counts_of(
    results: Sequence[Result],
    speed: Callable[[str], Speed | None],
    bandwidth_of: Callable[[str], int | None],
) -> tuple[TargetCount, ...]:
    """What a plan comes to, for each of its targets in their order.

    Args:
        results: Of a dry run, all of them.
        speed: What earlier runs have measured of a registry.
        bandwidth_of: Bytes a second that a registry may be sent.
    """
    of_target: dict[str, list[Result]] = {}
    for result in results:
        of_target.setdefault(result.item.target.name, []).append(result)
    brought: set[tuple[str, Digest]] = set()
    return tuple(_count(found, brought, speed, bandwidth_of) for found in of_target.values())


def _count(
    results: Sequence[Result],
    brought: set[tuple[str, Digest]],
    speed: Callable[[str], Speed | None],
    bandwidth_of: Callable[[str], int | None],
) -> TargetCount:
    """One target's; what an earlier one has brought to its registry is not counted again."""
    target = results[0].item.target
    copies = of_outcome(results, Outcome.WOULD_COPY)
    host = results[0].item.destination.registry
    sizes = {(host, one.digest): one.size for copy in copies for one in copy.layers}
    new = {blob: size for blob, size in sizes.items() if blob not in brought}
    brought.update(new)
    unread = sum(not one.layers and not one.size for one in copies)
    moves = sum(one.bytes for one in copies)
    measured = speed(host)
    rate = _rate(measured, bandwidth_of(target.registry))
    reason = ""
    if moves or unread:
        reason = _UNREAD if unread else "" if rate else _UNMEASURED
    return TargetCount(
        target=target.name,
        repositories=len({one.item.destination.name for one in results}),
        most_repositories=target.limits.repositories,
        tags=len({str(one.item.destination) for one in results}),
        copies=len(copies),
        layers=len(new),
        largest_layer=max(sizes.values(), default=0),
        bytes=moves,
        pulls=sum(one.pulls for one in copies),
        unread=unread,
        seconds=None if reason else round(moves / rate, 3) if rate else 0.0,
        no_forecast=reason,
    )


def _rate(measured: Speed | None, bandwidth: int | None) -> float:
    """Bytes a second that may be reckoned with; 0 where that is not known."""
    if measured is None or measured.bytes < _LEAST_MOVED or measured.seconds <= 0:
        return 0.0
    rate = measured.bytes / measured.seconds
    return min(rate, bandwidth) if bandwidth else rate
