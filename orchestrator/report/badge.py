"""The badge: how the mirror is, and since when, in one line.

As JSON for shields.io (https://shields.io/badges/endpoint-badge), and as a picture for a README,
which shields.io draws from the URL alone, so that a private repository has it, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timezone
from urllib.parse import quote

from orchestrator.errors import ExitStatus
from orchestrator.report.result import Report

NO_BADGE = "none"
"""What stands for the badge where nothing was to be mirrored, so that the old one stays."""

_LABEL = "mirror"
_COLOURS = {ExitStatus.OK: "green", ExitStatus.INTERRUPTED: "yellow"}


@dataclass(frozen=True)
class Badge:
    """What it says, and in which colour: green, yellow or red."""

    message: str
    colour: str


def badge_of(report: Report) -> Badge:
    """A failed run is red; one that was interrupted, or has put something off, is yellow."""
    moment = f"{report.finished.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    if report.error:
        return Badge(f"failed · {moment}", "red")
    totals = report.totals
    count = {
        "failed": totals.failed,
        "bad lines" if totals.invalid > 1 else "bad line": totals.invalid,
        "deferred": totals.deferred,
    }
    parts = [f"{number} {word}" for word, number in count.items() if number]
    parts.append(f"{totals.copied + totals.skipped} in sync")
    colour = _COLOURS.get(report.exit_status, "red")
    if colour == "green" and totals.deferred:
        colour = "yellow"
    return Badge(f"{', '.join(parts)} · {moment}", colour)


def badge_document(badge: Badge) -> str:
    """The endpoint's JSON, on one line."""
    whole = {
        "schemaVersion": 1,
        "label": _LABEL,
        "message": badge.message,
        "color": badge.colour,
    }
    return json.dumps(whole, ensure_ascii=False) + "\n"


def badge_picture(badge: Badge) -> str:
    """The picture, as Markdown on one line."""
    text = quote(badge.message.replace("-", "--").replace("_", "__"), safe="")
    return (
        f"![{_LABEL}: {badge.message}](https://img.shields.io/badge/{_LABEL}-{text}-{badge.colour})"
    )
