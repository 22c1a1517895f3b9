"""Another run at the same tag: what is asked again, and what is then left alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.decision import Action, Decision, Reason, Upstream, Verdict
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.sync.conflict import ConflictCheck, filled_by_others
from tests.support.verdicts import POOL, NoHttp, item

SEEN, NEWER, BEFORE, OTHER = (digest_of(text.encode()) for text in ("seen", "newer", "old", "else"))
SILENT = Inconclusive("it did not answer")


@dataclass
class Heads(NoHttp):
    """What a HEAD tells now, at the source and at the destination."""

    source: Digest | NotFound | Inconclusive = SEEN
    destination: Digest | NotFound | Inconclusive = BEFORE
    asked: list[str] = field(default_factory=list)

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        self.asked.append(reference.registry)
        return self.source if reference.registry == "source.example" else self.destination

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        pytest.fail(f"{blob.digest} of {repository} is of no use here")


VERDICT = Verdict(
    item(),
    Upstream(digest=SEEN, expected=OTHER, delivered="linux/amd64"),
    Decision(Action.COPY, Reason.CONTENT_DIFFERS),
    found=BEFORE,
)


@pytest.mark.parametrize(
    ("heads", "is_conflict"),
    [
        pytest.param(Heads(NEWER, NEWER), True, id="both have moved on"),
        pytest.param(Heads(SEEN, NEWER), False, id="the source is what it was"),
        pytest.param(Heads(NEWER, BEFORE), False, id="the destination is what it was"),
        pytest.param(Heads(NEWER, OTHER), False, id="it has what is copied"),
        pytest.param(Heads(NEWER, NotFound()), False, id="nothing is there"),
        pytest.param(Heads(NEWER, SILENT), False, id="the destination does not tell"),
        pytest.param(Heads(SILENT, NEWER), False, id="the source does not tell"),
    ],
)
def test_a_conflict_is_where_both_ends_have_moved(heads: Heads, is_conflict: bool) -> None:
    if not is_conflict:
        ConflictCheck(heads, POOL).check(VERDICT)
        return
    with pytest.raises(ImageError) as caught:
        ConflictCheck(heads, POOL).check(VERDICT)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.CONFLICT, "near.example")
    assert caught.value.hint == "what is there was left alone; the next run looks again"


@pytest.mark.parametrize(
    ("now", "new"),
    [
        pytest.param(NEWER, NEWER, id="it has moved on"),
        pytest.param(SEEN, None, id="it is what it was"),
        pytest.param(SILENT, None, id="it does not tell"),
        pytest.param(NotFound(), None, id="it is gone"),
    ],
)
def test_a_source_has_moved_on_where_it_says_so(
    now: Digest | NotFound | Inconclusive, new: Digest | None
) -> None:
    assert ConflictCheck(Heads(now), POOL).new_source_digest(VERDICT) == new


def test_a_pinned_source_never_moves_and_is_not_asked() -> None:
    heads = Heads(NEWER, NEWER)
    pinned = replace(VERDICT, item=replace(VERDICT.item, source=VERDICT.item.source.at(SEEN)))
    ConflictCheck(heads, POOL).check(pinned)
    assert heads.asked == []


def test_each_check_asks_anew() -> None:
    heads = Heads(SEEN, BEFORE)
    conflicts = ConflictCheck(heads, POOL)
    conflicts.check(VERDICT)
    heads.source = heads.destination = NEWER
    with pytest.raises(ImageError):
        conflicts.check(VERDICT)


@pytest.mark.parametrize(
    ("there", "has"),
    [
        pytest.param(SEEN, True, id="it"),
        pytest.param(OTHER, False, id="another"),
        pytest.param(SILENT, False, id="no answer"),
    ],
)
def test_a_destination_has_what_a_head_names(there: Digest | Inconclusive, has: bool) -> None:
    conflicts = ConflictCheck(Heads(destination=there), POOL)
    assert conflicts.has_arrived(VERDICT.item, SEEN) is has


def test_after_a_copy_the_source_is_asked_once_beside_the_destination() -> None:
    heads = Heads(NEWER, OTHER)
    conflicts = ConflictCheck(heads, POOL)
    assert conflicts.has_arrived(VERDICT.item, OTHER)
    assert conflicts.new_source_digest(VERDICT) == NEWER
    assert sorted(heads.asked) == ["near.example", "source.example"]


# One name for two sources


FIRST = "source.example/team/app:1"


@pytest.mark.parametrize(
    ("line", "source", "before", "words"),
    [
        pytest.param(3, FIRST, None, "", id="nobody"),
        pytest.param(3, FIRST, FIRST, "", id="the same source"),
        pytest.param(3, f"{FIRST}@{SEEN}", FIRST, "", id="the same, pinned anew"),
        pytest.param(
            3,
            FIRST,
            "redis:7",
            f"images.txt:3: '{FIRST}' goes to 'near.example/lab/app:1', which an earlier run "
            "filled from 'redis:7'; where both are wanted, give one of them another --name",
            id="another source",
        ),
        pytest.param(
            0,
            f"{FIRST[:-2]}@{SEEN}",
            FIRST,
            f"'{FIRST[:-2]}@{SEEN}': it goes to 'near.example/lab/app:1', which an earlier run "
            f"filled from '{FIRST}'; where both are wanted, give one of them another --name",
            id="another source of the command line",
        ),
    ],
)
def test_a_destination_that_another_source_filled_is_told_with_both_names(
    line: int, source: str, before: str | None, words: str
) -> None:
    one = replace(item(), line=line, source=Reference.parse(source))
    writers = {"near.example/lab/app:1": before}
    file = "images.txt" if line else ""
    found = tuple(filled_by_others([one], writers.get, file=file))
    assert "\n".join(map(str, found)) == words
