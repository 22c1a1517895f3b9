"""What runs leave behind of an image: when it changed, when it was checked, what is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.catalog.image import MirroredImage, completed, image_of, images_after
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import digest_of
from orchestrator.report.result import Outcome, Result
from tests.support.reports import STARTED, a_report, an_item, copied

OLD, NEW, SOURCE = (digest_of(text) for text in (b"old", b"new", b"source"))
FIRST, LATER = STARTED, STARTED + timedelta(days=1)
COPIED = replace(copied(), digest=OLD, source_digest=SOURCE, platforms=("linux/amd64",), size=7)
SKIPPED = replace(
    COPIED, outcome=Outcome.SKIPPED, reason="same-digest", digest_before=OLD, platforms=(), size=0
)
FAILED = Result(
    an_item(), Outcome.FAILED, "timeout", error=ImageError(ErrorKind.TIMEOUT, "it took too long")
)
BEFORE = image_of(COPIED, FIRST, None)


def test_a_copy_is_a_change_and_a_check() -> None:
    assert (BEFORE.changed, BEFORE.checked, BEFORE.digest) == (FIRST, FIRST, OLD)
    assert (BEFORE.platforms, BEFORE.size, BEFORE.is_there) == (("linux/amd64",), 7, True)


@pytest.mark.parametrize(
    ("result", "before", "changed", "checked", "digest"),
    [
        pytest.param(SKIPPED, BEFORE, FIRST, LATER, OLD, id="still the same"),
        pytest.param(SKIPPED, None, None, LATER, OLD, id="there before any run saw it"),
        pytest.param(
            replace(COPIED, digest_before=OLD), BEFORE, FIRST, LATER, OLD, id="the same by force"
        ),
        pytest.param(
            replace(COPIED, digest=NEW, digest_before=OLD), BEFORE, LATER, LATER, NEW, id="copied"
        ),
        pytest.param(replace(SKIPPED, digest=NEW), BEFORE, LATER, LATER, NEW, id="by another"),
        pytest.param(FAILED, BEFORE, FIRST, FIRST, OLD, id="failed before it was looked at"),
        pytest.param(FAILED, None, None, None, "", id="failed at first sight"),
        pytest.param(
            replace(FAILED, source_digest=SOURCE, digest_before=OLD),
            BEFORE, FIRST, FIRST, OLD, id="failed over an older one",
        ),
        pytest.param(
            replace(FAILED, source_digest=SOURCE), BEFORE, None, FIRST, "", id="gone, and failed"
        ),
        pytest.param(
            replace(FAILED, changed=FIRST), None, FIRST, None, "", id="a report knows of a change"
        ),
        pytest.param(
            replace(FAILED, outcome=Outcome.HELD, source_digest=SOURCE),
            BEFORE, FIRST, FIRST, OLD, id="held back: nobody looked",
        ),
    ],
)  # fmt: skip
def test_times_tell_what_was_seen(
    result: Result, before: MirroredImage | None, changed: object, checked: object, digest: str
) -> None:
    after = image_of(result, LATER, before)
    assert (after.changed, after.checked, after.digest) == (changed, checked, digest)
    assert after.tried == LATER
    assert after.is_there is bool(digest or changed)


def test_size_and_platforms_are_remembered_as_long_as_the_digest_is_the_same() -> None:
    same = image_of(SKIPPED, LATER, BEFORE)
    other = image_of(replace(SKIPPED, digest=NEW), LATER, BEFORE)
    assert (same.size, same.platforms) == (7, ("linux/amd64",))
    assert (other.size, other.platforms) == (0, ())


def test_a_report_is_completed_from_what_was_remembered() -> None:
    report = replace(a_report(SKIPPED), finished=LATER)
    images = images_after(report, {BEFORE.destination: BEFORE})
    (result,) = completed(report, images).results
    assert (result.size, result.platforms, result.changed) == (7, ("linux/amd64",), FIRST)
