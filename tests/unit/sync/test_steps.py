"""The flow: three steps side by side, chains in their order, and no pull that is not there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference, digest_of
from orchestrator.plan.decision import (
    Action,
    Decision,
    DeferredItem,
    FailedItem,
    PlannedItem,
    Reason,
    Upstream,
    Verdict,
    is_copy,
)
from orchestrator.plan.items import Item
from orchestrator.registry.pull_limit import PullCounter, PullLimit
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.schedule import CopyTask, CopyTaskFactory, Schedule, chain_links
from orchestrator.sync.steps import (
    MOST_PULLS,
    HeadCheck,
    Inspect,
    StepLimits,
    StepQueue,
    is_brief,
)
from orchestrator.sync.upstream.pull_budget import OVER_BUDGET, PullBudget
from tests.support.verdicts import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.sync.steps import Step

NEAR = Target("near", "near.example")
FAR = Target("far", "far.example")
HUB, QUAY = "docker.io/x", "quay.io/x"
COPY = Decision(Action.COPY, Reason.MISSING)
SKIP = Decision(Action.SKIP, Reason.SAME_DIGEST)


def item(name: str, *, at: str = QUAY, to: Target = NEAR, choice: str = "linux/amd64") -> Item:
    destination = Reference.parse(f"{to.registry}/{name}")
    return Item(1, Reference.parse(f"{at}/{name}"), PlatformChoice.parse(choice), to, destination)


def planned(one: Item, decision: Decision | None = COPY) -> PlannedItem:
    if decision is None:
        return DeferredItem(one, "why")
    digest = digest_of(one.source.name.encode())
    return Verdict(one, Upstream(digest, digest, "linux/amd64"), decision)


@dataclass
class Limit:
    """What Docker Hub would tell."""

    remaining: int | None = None
    pulls: PullCounter = field(default_factory=PullCounter)

    @property
    def budget(self) -> PullBudget:
        left = self.remaining
        return PullBudget(lambda: None if left is None else PullLimit(100, left, 1), self.pulls)


def step_queue(
    *items: Item,
    limit: Limit | None = None,
    checks: int = 9,
    looks: int = 9,
    most_looks: int = 0,
    jobs: int = 9,
    before: Sequence[int | None] | None = None,
    is_relaying: bool = False,
) -> StepQueue:
    links = chain_links(items)
    return StepQueue(
        items,
        links if before is None else before,
        StepLimits(checks, looks, most_looks or looks),
        Schedule(lambda _size: jobs),
        CopyTaskFactory(links, is_relaying=is_relaying),
        (limit or Limit()).budget,
    )


def taken(under_test: StepQueue) -> list[Step]:
    """All that can be done now."""
    pieces = []
    while (step := under_test.take()) is not None:
        pieces.append(step)
    return pieces


def names(pieces: Iterable[Step]) -> list[str]:
    return [f"{type(step).__name__} {step.place}" for step in pieces]


def seen(under_test: StepQueue, *items: Item, decisions: Sequence[Decision | None]) -> list[Step]:
    """Every item checked without a proof, and looked at; the tasks that can be carried out."""
    for check in taken(under_test):
        under_test.finish(check, None)
    looks = taken(under_test)
    assert all(isinstance(look, Inspect) for look in looks)
    for look, decision in zip(looks, decisions, strict=True):
        under_test.finish(look, planned(items[look.place], decision))
    return taken(under_test)


def ended(task: CopyTask, outcome: Outcome = Outcome.COPIED) -> Result:
    return Result(task.planned.item, outcome, "why")


def test_no_more_is_checked_at_once_than_keeps_us_busy() -> None:
    enough = [3]
    items = [item(str(number)) for number in range(9)]
    limits = StepLimits(6, 4, 4, enough_checks=lambda: enough[0])
    links, budget = (None,) * len(items), Limit().budget
    under_test = StepQueue(
        items, links, limits, Schedule(lambda _size: 9), CopyTaskFactory(links), budget
    )
    first, *others = taken(under_test)
    assert len(others) == 2
    under_test.finish(first, planned(items[0], SKIP))
    step = under_test.take()
    assert isinstance(step, CopyTask)
    assert is_brief(step)
    assert names(taken(under_test)) == ["HeadCheck 3"]
    enough[0] = 100
    assert names(taken(under_test)) == ["HeadCheck 4", "HeadCheck 5", "HeadCheck 6"]


@pytest.mark.parametrize("decision", [pytest.param(COPY, id="copy"), pytest.param(None, id="none")])
def test_what_may_take_long_is_not_brief(decision: Decision | None) -> None:
    one = item("a")
    assert not is_brief(CopyTaskFactory((None,)).make(0, planned(one, decision)))
    assert not is_brief(HeadCheck(0, one))


def test_a_copy_begins_while_another_item_is_still_looked_at() -> None:
    items = [item("a"), item("b")]
    under_test = step_queue(*items)
    for check in taken(under_test):
        under_test.finish(check, None)
    first, second = taken(under_test)
    under_test.finish(second, planned(items[1]))
    assert names(taken(under_test)) == ["CopyTask 1"]
    under_test.finish(first, planned(items[0]))
    assert names(taken(under_test)) == ["CopyTask 0"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_a_copy_that_may_feed_others_waits_until_it_is_known_what_they_want(
    order: tuple[int, ...],
) -> None:
    third = Target("third", "third.example")
    items = [item("a", to=one) for one in (NEAR, FAR, third)]
    under_test = step_queue(*items, is_relaying=True)
    for check in taken(under_test):
        under_test.finish(check, None)
    looks = taken(under_test)
    for place in order[:-1]:
        under_test.finish(looks[place], planned(items[place]))
        assert taken(under_test) == []
    under_test.finish(looks[order[-1]], planned(items[order[-1]]))
    (task,) = taken(under_test)
    assert isinstance(task, CopyTask)
    assert task.place == 0
    assert [one.item.target.name for one in task.feeds] == ["far", "third"]
    under_test.finish(task, ended(task))
    assert names(taken(under_test)) == ["CopyTask 1"]


def test_what_heads_have_proved_is_not_looked_at() -> None:
    one = item("a")
    under_test = step_queue(one)
    (check,) = taken(under_test)
    under_test.finish(check, planned(one, SKIP))
    assert names(taken(under_test)) == ["CopyTask 0"]


def test_each_step_has_its_own_bound() -> None:
    items = [item(name) for name in "abcdef"]
    under_test = step_queue(*items, checks=3, looks=2, jobs=1)
    checks = taken(under_test)
    assert names(checks) == ["HeadCheck 0", "HeadCheck 1", "HeadCheck 2"]
    for check in checks:
        under_test.finish(check, None)
    more = taken(under_test)
    assert names(more) == ["Inspect 0", "Inspect 1", "HeadCheck 3", "HeadCheck 4", "HeadCheck 5"]
    for look in more[:2]:
        under_test.finish(look, planned(items[look.place]))
    assert names(taken(under_test)) == ["CopyTask 0", "Inspect 2"]


def test_looks_are_in_the_lists_order_however_checks_end() -> None:
    items = [item(name) for name in "abcd"]
    under_test = step_queue(*items)
    checks = taken(under_test)
    under_test.finish(checks[2], None)
    under_test.finish(checks[1], planned(items[1], SKIP))
    assert names(taken(under_test)) == ["CopyTask 1"]
    under_test.finish(checks[0], None)
    assert names(taken(under_test)) == ["Inspect 0", "Inspect 2"]


SLOW = "slow.example/x"


def with_slow_host(good: int, slow: int, *, proven: bool) -> tuple[list[Item], StepQueue]:
    items = [item(f"s{number}", at=SLOW) for number in range(slow)]
    items += [item(f"g{number}") for number in range(good)]
    limits = StepLimits(16, 4, 4, is_proven=lambda host: proven or host != "slow.example")
    links = chain_links(items)
    budget = Limit().budget
    return items, StepQueue(
        items, links, limits, Schedule(lambda _size: 9), CopyTaskFactory(links), budget
    )


@pytest.mark.parametrize(
    ("is_proven", "checks", "inspections"),
    [pytest.param(False, 2, 1, id="silent"), pytest.param(True, 12, 3, id="grown slow")],
)
def test_a_host_keeps_no_more_than_its_share_busy(
    is_proven: bool, checks: int, inspections: int
) -> None:
    items, under_test = with_slow_host(30, 70, proven=is_proven)
    began = taken(under_test)
    assert len(began) == 16 if is_proven else 2 + 12
    assert sum(step.place < 70 for step in began) == checks
    for step in began:
        under_test.finish(step, None)
    looks = [step for step in taken(under_test) if isinstance(step, Inspect)]
    assert sum(step.place < 70 for step in looks) == inspections
    assert len(looks) == 4
    assert items[looks[-1].place].source.registry != "slow.example"


def test_a_check_that_does_not_end_keeps_only_its_own_host_waiting() -> None:
    _, under_test = with_slow_host(1, 2, proven=True)
    _, _, good = taken(under_test)
    under_test.finish(good, None)
    assert names(taken(under_test)) == ["Inspect 2"]


def test_where_there_is_one_host_it_gets_all() -> None:
    items = [item(f"s{number}", at=SLOW) for number in range(20)]
    links = chain_links(items)
    limits = StepLimits(16, 4, 4, is_proven=lambda _: False)
    queue = StepQueue(
        items, links, limits, Schedule(lambda _size: 9), CopyTaskFactory(links), Limit().budget
    )
    assert len(taken(queue)) == 16


def test_a_link_waits_for_the_one_before_it() -> None:
    items = [item("a"), item("a", to=FAR), item("b")]
    under_test = step_queue(*items)
    for check in taken(under_test):
        under_test.finish(check, None)
    first, second, other = taken(under_test)
    under_test.finish(second, planned(items[1]))
    under_test.finish(other, planned(items[2]))
    assert names(taken(under_test)) == ["CopyTask 2"]
    under_test.finish(first, planned(items[0]))
    (task,) = taken(under_test)
    assert isinstance(task, CopyTask)
    assert task.place == 0
    under_test.finish(task, ended(task))
    (fed,) = taken(under_test)
    assert isinstance(fed, CopyTask)
    assert (fed.place, fed.after) == (1, 0)


def test_in_a_dry_run_tasks_are_made_in_the_lists_order() -> None:
    items = [item("a"), item("b")]
    under_test = step_queue(*items, before=(None, 0))
    for check in taken(under_test):
        under_test.finish(check, None)
    first, second = taken(under_test)
    under_test.finish(second, planned(items[1]))
    assert taken(under_test) == []
    under_test.finish(first, planned(items[0]))
    assert names(taken(under_test)) == ["CopyTask 0", "CopyTask 1"]


def test_looks_that_lead_to_no_copy_make_room_for_more() -> None:
    items = [item(name) for name in "abcdefghij"]
    under_test = step_queue(*items, checks=10, looks=1, most_looks=3)
    for check in taken(under_test):
        under_test.finish(check, None)
    running = taken(under_test)
    counts = [len(running)]
    for decision in (COPY, SKIP, None, SKIP):
        look = next(one for one in running if isinstance(one, Inspect))
        running.remove(look)
        under_test.finish(look, planned(items[look.place], decision))
        running += [one for one in taken(under_test) if isinstance(one, Inspect)]
        counts.append(len(running))
    assert counts == [1, 1, 2, 3, 3]


def test_a_blob_that_has_arrived_sets_others_going() -> None:
    base = Descriptor("application/vnd.oci.image.layer.v1.tar", digest_of(b"base"), 1_000_000)
    items = [item("a"), item("b")]
    under_test = step_queue(*items)
    for check in taken(under_test):
        under_test.finish(check, None)
    for look in taken(under_test):
        found = planned(items[look.place])
        assert isinstance(found, Verdict)
        upstream = replace(found.upstream, blobs=(base,))
        under_test.finish(look, replace(found, upstream=upstream))
    assert names(taken(under_test)) == ["CopyTask 0"]
    under_test.arrived(FAR.registry, base.digest)
    assert taken(under_test) == []
    under_test.arrived(NEAR.registry, base.digest)
    assert names(taken(under_test)) == ["CopyTask 1"]


# Docker Hub's pull limit

ENOUGH = 2 * MOST_PULLS


@pytest.mark.parametrize(
    ("limit", "choice", "goes_on"),
    [
        pytest.param(None, "linux/amd64", True, id="no limit"),
        pytest.param(ENOUGH, "linux/amd64", True, id="it does whatever comes"),
        pytest.param(ENOUGH - 1, "linux/amd64", False, id="it may not do"),
        pytest.param(1000, "all", False, id="nobody knows how many children"),
        pytest.param(None, "all", True, id="no limit for children either"),
    ],
)
def test_what_is_counted_waits_until_the_limit_is_sure_to_do(
    limit: int | None, choice: str, goes_on: bool
) -> None:
    items = [item("a", at=HUB), item("b", at=HUB, choice=choice), item("c")]
    under_test = step_queue(*items, limit=Limit(limit))
    for check in taken(under_test):
        under_test.finish(check, None)
    first, second, elsewhere = taken(under_test)
    under_test.finish(first, planned(items[0]))
    assert names(taken(under_test)) == ["CopyTask 0"] * goes_on
    under_test.finish(elsewhere, planned(items[2]))
    assert names(taken(under_test)) == ["CopyTask 2"]
    under_test.finish(second, planned(items[1], SKIP))
    assert set(names(taken(under_test))) == {"CopyTask 1", *["CopyTask 0"] * (not goes_on)}


def test_what_turns_out_to_take_no_pull_lets_the_others_go_on() -> None:
    items = [item(name, at=HUB) for name in "abc"]
    under_test = step_queue(*items, limit=Limit(2 * MOST_PULLS))
    for check in taken(under_test):
        under_test.finish(check, None)
    first, second, _ = taken(under_test)
    under_test.finish(first, planned(items[0]))
    assert taken(under_test) == []
    failed = FailedItem(items[1], ImageError(ErrorKind.NOT_FOUND, "no such image"))
    under_test.finish(second, failed)
    assert set(names(taken(under_test))) == {"CopyTask 0", "CopyTask 1"}


def test_where_the_limit_will_not_do_the_lists_order_counts() -> None:
    items = [item(name, at=HUB) for name in "abc"]
    under_test = step_queue(*items, limit=Limit(2))
    tasks = seen(under_test, *items, decisions=[COPY] * 3)
    deferred = {task.place: reason_of(task) for task in tasks if isinstance(task, CopyTask)}
    assert deferred == {0: "", 1: "", 2: OVER_BUDGET}


def test_what_was_pulled_meanwhile_is_counted() -> None:
    limit = Limit(2)
    limit.pulls.add(Reference.parse(HUB), 1)
    items = [item(name, at=HUB) for name in "ab"]
    tasks = seen(step_queue(*items, limit=limit), *items, decisions=[COPY] * 2)
    reasons = sorted(reason_of(task) for task in tasks if isinstance(task, CopyTask))
    assert reasons == ["", OVER_BUDGET]


# Whatever comes

ITEMS = st.builds(
    item,
    st.sampled_from("abc"),
    at=st.sampled_from([HUB, QUAY]),
    to=st.sampled_from([NEAR, FAR]),
    choice=st.sampled_from(["linux/amd64", "all"]),
)


@given(
    st.lists(ITEMS, max_size=10),
    st.one_of(st.none(), st.integers(0, 12)),
    st.booleans(),
    st.data(),
)
def test_every_item_comes_to_one_end(
    items: list[Item], limit: int | None, is_dry: bool, data: st.DataObject
) -> None:
    told = Limit(limit)
    order = (None, *range(len(items) - 1)) if is_dry else None
    under_test = step_queue(*items, limit=told, checks=3, looks=2, jobs=2, before=order)
    running: list[Step] = []
    results: dict[int, Outcome] = {}
    while True:
        running += taken(under_test)
        if not running:
            break
        step = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if isinstance(step, CopyTask):
            outcome = Outcome.COPIED if is_copy(step.planned) else Outcome.SKIPPED
            if is_copy(step.planned):
                told.pulls.add(step.planned.item.source, step.pulls)
            assert step.place not in results
            results[step.place] = outcome
            under_test.finish(step, ended(step, outcome))
            continue
        verdicts = [None, SKIP] if isinstance(step, HeadCheck) else [None, SKIP, COPY]
        decision = data.draw(st.sampled_from(verdicts))
        under_test.finish(step, planned(step.item, decision))
    assert sorted(results) == list(range(len(items)))
    if limit is not None:
        assert told.pulls.count <= limit
