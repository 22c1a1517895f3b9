"""The order of copies: no blob twice, no idle hands, and always an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Digest, Reference, digest_of
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
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.schedule import (
    SMALLEST_SHARED,
    CopyTask,
    CopyTaskFactory,
    Schedule,
    chain_links,
)
from orchestrator.sync.upstream.pull_budget import OVER_BUDGET, within_budget
from tests.support.verdicts import reason_of, tasks_of

BIG = SMALLEST_SHARED
MANY = 100
SMALL = SMALLEST_SHARED - 1
NEAR = Target("near", "near.example")
FAR = Target("far", "far.example")
AMD = PlatformChoice.parse("linux/amd64")
COPY = Decision(Action.COPY, Reason.MISSING)
SKIP = Decision(Action.SKIP, Reason.SAME_DIGEST)


def blob(name: str, size: int = BIG) -> Descriptor:
    return Descriptor("application/vnd.oci.image.layer.v1.tar", digest_of(name.encode()), size)


def item(image: str, target: Target = NEAR, choice: PlatformChoice = AMD) -> Item:
    source = Reference.parse(f"quay.io/x/{image}")
    destination = Reference.parse(f"{target.registry}/{image.replace('/', '_')}")
    return Item(1, source, choice, target, destination)


def planned(
    image: str,
    *layers: str | Descriptor,
    target: Target = NEAR,
    decision: Decision | None = COPY,
    found: Digest | None = None,
) -> PlannedItem:
    """A verdict on an image whose own last layer nobody else has; without one, it is deferred."""
    if decision is None:
        return DeferredItem(item(image, target), "why")
    stack = (*layers, f"{image}'s own")
    blobs = tuple(one if isinstance(one, Descriptor) else blob(one) for one in stack)
    digest = digest_of(image.encode())
    upstream = Upstream(digest, digest, "linux/amd64", blobs=blobs)
    return Verdict(item(image, target), upstream, decision, found)


def schedule(
    *items: PlannedItem, chains: bool = False, jobs: int = MANY, **limits: int
) -> Schedule:
    made = Schedule(lambda _size: jobs, limits)
    for task in tasks_of(items, chains=chains):
        made.add(task)
    return made


def take(waiting: Schedule) -> str:
    """The image of the next task; empty where there is none."""
    task = waiting.take()
    return name_of(task) if task else ""


def name_of(task: CopyTask) -> str:
    return task.planned.item.source.repository.removeprefix("x/")


def taken(waiting: Schedule) -> dict[str, CopyTask]:
    """All that may run now."""
    tasks = {}
    while (task := waiting.take()) is not None:
        tasks[f"{name_of(task)}@{task.target}"] = task
    return tasks


def ended(task: CopyTask, outcome: Outcome = Outcome.COPIED) -> Result:
    return Result(task.planned.item, outcome, "why")


# Waiting for what another one brings


def test_who_shares_a_blob_waits_for_the_leader_and_fillers_run() -> None:
    waiting = schedule(
        planned("a", "base"), planned("b", "base"), planned("c"), planned("d", "base")
    )
    running = taken(waiting)
    assert list(running) == ["a@near", "c@near"]
    waiting.finish(running["c@near"], ended(running["c@near"]))
    assert taken(waiting) == {}
    waiting.finish(running["a@near"], ended(running["a@near"]))
    assert list(taken(waiting)) == ["b@near", "d@near"]


@pytest.mark.parametrize(
    ("others", "runs"),
    [
        pytest.param(planned("b", "base"), False, id="a shared blob"),
        pytest.param(planned("b", "other"), True, id="nothing shared"),
        pytest.param(planned("b", "base", target=FAR), True, id="another registry"),
        pytest.param(planned("b", "base", decision=SKIP), True, id="nothing to copy"),
        pytest.param(planned("b", "base", decision=None), True, id="no verdict"),
        pytest.param(FailedItem(item("b"), ImageError(ErrorKind.DENIED, "x")), True, id="failed"),
        pytest.param(planned("b", blob("base", SMALL)), True, id="a small one"),
    ],
)
def test_only_a_copy_of_the_same_large_blob_waits(others: PlannedItem, runs: bool) -> None:
    waiting = schedule(planned("a", "base"), others)
    assert {name_of(task) for task in taken(waiting).values()} == set("ab"[: 1 + runs])


def test_small_blobs_do_not_count() -> None:
    base = blob("base", SMALL)
    assert list(taken(schedule(planned("a", base), planned("b", base)))) == ["a@near", "b@near"]


def test_two_images_of_one_name_share_all_they_have() -> None:
    waiting = schedule(planned("a"), planned("a"))
    assert take(waiting) == "a"
    assert take(waiting) == ""


@pytest.mark.parametrize(
    "outcome", [pytest.param(one, id=one.value) for one in Outcome if one is not Outcome.COPIED]
)
def test_where_the_leader_brought_nothing_the_next_one_leads(outcome: Outcome) -> None:
    waiting = schedule(planned("a", "base"), planned("b", "base"), planned("c", "base"))
    leader = waiting.take()
    assert leader is not None
    waiting.finish(leader, ended(leader, outcome))
    assert take(waiting) == "b"
    assert take(waiting) == ""


def test_who_waits_for_two_leaders_begins_when_both_have_brought_their_blobs() -> None:
    waiting = schedule(planned("a", "p"), planned("b", "q"), planned("c", "p", "q"))
    assert list(taken(waiting)) == ["a@near", "b@near"]
    waiting.arrive((NEAR.registry, digest_of(b"p")))
    assert take(waiting) == ""
    waiting.arrive((NEAR.registry, digest_of(b"q")))
    assert take(waiting) == "c"


def test_what_has_arrived_is_there_though_its_copy_failed() -> None:
    waiting = schedule(*(planned(name, "base") for name in "abc"))
    leader = waiting.take()
    assert leader is not None
    waiting.arrive((NEAR.registry, digest_of(b"base")))
    waiting.finish(leader, ended(leader, Outcome.FAILED))
    assert list(taken(waiting)) == ["b@near", "c@near"]


def test_a_blob_that_has_arrived_is_waited_for_no_more() -> None:
    waiting = schedule(*(planned(name, "base") for name in "abcd"))
    leader = waiting.take()
    assert leader is not None
    waiting.finish(leader, ended(leader))
    running = taken(waiting)
    assert list(running) == ["b@near", "c@near", "d@near"]


def test_a_failure_takes_nothing_away_that_had_arrived() -> None:
    waiting = schedule(*(planned(name, "base") for name in "abcd"))
    leader = waiting.take()
    assert leader is not None
    waiting.finish(leader, ended(leader))
    second, third = waiting.take(), waiting.take()
    assert second is not None
    assert third is not None
    waiting.finish(second, ended(second, Outcome.FAILED))
    assert take(waiting) == "d"


# Chains


def test_the_targets_of_one_image_form_a_chain() -> None:
    chain = tasks_of(
        [planned("a"), planned("b"), planned("a", target=FAR), planned("b", target=FAR)],
        chains=True,
    )
    assert [task.after for task in chain] == [None, None, 0, 1]
    assert [task.place for task in chain] == [0, 1, 2, 3]


def test_three_targets_are_fed_one_from_another() -> None:
    third = Target("third", "third.example")
    chain = tasks_of([planned("a", target=one) for one in (NEAR, FAR, third)], chains=True)
    assert [task.after for task in chain] == [None, 0, 1]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(planned("b", target=FAR), id="another image"),
        pytest.param(
            replace(planned("a"), item=item("a", FAR, PlatformChoice.parse("all"))),
            id="another choice",
        ),
    ],
)
def test_only_one_image_of_one_choice_feeds_another(second: PlannedItem) -> None:
    assert [task.after for task in tasks_of([planned("a"), second], chains=True)] == [None, None]


def test_without_chains_all_read_the_source() -> None:
    tasks = tasks_of([planned("a"), planned("a", target=FAR)], chains=False)
    assert [task.after for task in tasks] == [None, None]


LIMITED = Target("far", "far.example", jobs=1)


def other_form(target: Target) -> PlannedItem:
    made = planned("a", target=target)
    assert is_copy(made)
    return replace(made, upstream=replace(made.upstream, expected=digest_of(b"another form")))


@pytest.mark.parametrize(
    ("first", "second", "is_fed"),
    [
        pytest.param(planned("a"), planned("a", target=FAR), True, id="the same"),
        pytest.param(planned("a"), other_form(FAR), False, id="another form"),
        pytest.param(planned("a"), planned("a", target=FAR, decision=SKIP), False, id="in sync"),
        pytest.param(
            planned("a", decision=SKIP), planned("a", target=FAR), False, id="nothing is copied"
        ),
        pytest.param(planned("a"), planned("a", target=LIMITED), False, id="a limit of its own"),
    ],
)
def test_a_copy_feeds_what_wants_the_very_same(
    first: PlannedItem, second: PlannedItem, is_fed: bool
) -> None:
    maker = CopyTaskFactory(chain_links([first.item, second.item]), is_relaying=True)
    assert maker.chain_of(1) == (0, 1)
    assert bool(maker.make(0, first, [second]).feeds) is is_fed
    assert maker.make(1, second).after == 0


@pytest.mark.parametrize("outcome", [Outcome.COPIED, Outcome.SKIPPED, Outcome.FAILED])
def test_a_link_waits_for_the_one_before_it_however_that_ends(outcome: Outcome) -> None:
    waiting = schedule(planned("a"), planned("a", target=FAR), planned("b"), chains=True)
    running = taken(waiting)
    assert list(running) == ["a@near", "b@near"]
    waiting.finish(running["b@near"], ended(running["b@near"]))
    assert taken(waiting) == {}
    waiting.finish(running["a@near"], ended(running["a@near"], outcome))
    assert list(taken(waiting)) == ["a@far"]


# Limits


def test_a_targets_own_limit_holds_and_others_go_on() -> None:
    waiting = schedule(*(planned(name) for name in "abc"), planned("d", target=FAR), near=2)
    running = taken(waiting)
    assert list(running) == ["a@near", "b@near", "d@far"]
    waiting.finish(running["d@far"], ended(running["d@far"]))
    assert taken(waiting) == {}
    waiting.finish(running["a@near"], ended(running["a@near"], Outcome.FAILED))
    assert list(taken(waiting)) == ["c@near"]


# What a task is said to take


def test_what_an_earlier_task_brings_does_not_move_again() -> None:
    base, top = blob("base", 500), blob("top", 30)
    own = BIG
    tasks = tasks_of(
        [
            planned("a", base),
            planned("b", base, top),
            planned("c", base, decision=SKIP),
            planned("d", base, target=FAR),
        ],
        chains=False,
    )
    assert [task.moves for task in tasks] == [500 + own, 30 + own, 0, 500 + own]


@pytest.mark.parametrize(
    ("first", "pulls"),
    [
        pytest.param(planned("a"), (1, 0), id="fed from a copy"),
        pytest.param(
            planned("a", decision=SKIP, found=digest_of(b"a")), (0, 0), id="fed from what is"
        ),
        pytest.param(
            planned("a", decision=SKIP, found=digest_of(b"z")), (0, 1), id="of another form"
        ),
        pytest.param(planned("a", decision=None), (0, 1), id="the first link failed"),
    ],
)
def test_docker_hubs_pulls_are_counted_where_it_is_read(
    first: PlannedItem, pulls: tuple[int, int]
) -> None:
    def hub(one: PlannedItem) -> PlannedItem:
        return replace(one, item=replace(one.item, source=Reference.parse("x/a")))

    tasks = tasks_of([hub(first), hub(planned("a", target=FAR))], chains=True)
    assert tuple(task.pulls for task in tasks) == pulls


def test_other_registries_count_no_pulls() -> None:
    assert tasks_of([planned("a")], chains=True)[0].pulls == 0


# Whatever comes


IMAGES = st.tuples(
    st.integers(0, 5),
    st.sampled_from([NEAR, FAR, Target("also", "near.example")]),
    st.lists(st.sampled_from("pqrst"), max_size=3, unique=True),
    st.sampled_from([COPY, COPY, COPY, SKIP, None]),
)


@given(st.lists(IMAGES, max_size=14), st.booleans(), st.integers(1, 4), st.data())
def test_any_work_comes_to_its_end_and_no_blob_is_on_the_way_twice(
    images: list[tuple[int, Target, list[str], Decision | None]],
    chains: bool,
    jobs: int,
    data: st.DataObject,
) -> None:
    tasks = tasks_of(
        [
            planned(str(number), *layers, target=target, decision=decision)
            for number, target, layers, decision in images
        ],
        chains=chains,
    )
    limits = data.draw(st.dictionaries(st.sampled_from(["near", "far"]), st.integers(1, 2)))
    waiting = Schedule(lambda _size: jobs, limits)
    for one in tasks:
        waiting.add(one)
    running: list[CopyTask] = []
    handed_out: list[int] = []
    arrived: set[tuple[str, Digest]] = set()
    while True:
        while (task := waiting.take()) is not None:
            for other in running:
                assert not (task.brings & other.brings) - arrived
            if is_copy(task.planned):
                assert task.after is None or task.after in handed_out
                assert task.after not in [other.place for other in running]
            running.append(task)
            assert sum(is_copy(one.planned) for one in running) <= jobs
            handed_out.append(task.place)
            for name, most in limits.items():
                copies = [one for one in running if is_copy(one.planned)]
                assert sum(one.target == name for one in copies) <= most
        if not running:
            break
        ending = running.pop(data.draw(st.integers(0, len(running) - 1)))
        outcome = data.draw(st.sampled_from([Outcome.COPIED, Outcome.FAILED, Outcome.DEFERRED]))
        if outcome is Outcome.COPIED:
            arrived |= ending.brings
        waiting.finish(ending, ended(ending, outcome))
    assert sorted(handed_out) == list(range(len(images)))


@pytest.mark.parametrize(
    ("needs", "budget", "runs"),
    [
        pytest.param((1, 1, 1), 3, (True, True, True), id="it does"),
        pytest.param((1, 1, 1), 2, (True, True, False), id="the list's order counts"),
        pytest.param((3, 1), 2, (False, True), id="a smaller one behind still runs"),
        pytest.param((0, 1, 0), 0, (True, False, True), id="what takes none always runs"),
        pytest.param((), 0, (), id="nothing"),
    ],
)
def test_what_the_pull_budget_leaves_no_room_for_is_deferred(
    needs: tuple[int, ...], budget: int, runs: tuple[bool, ...]
) -> None:
    tasks = tuple(
        CopyTask(place, planned("a", blob("x")), frozenset({("near", digest_of(b"x"))}), pulls=need)
        for place, need in enumerate(needs)
    )
    kept = within_budget(tasks, budget)
    assert tuple(isinstance(task.planned, Verdict) for task in kept) == runs
    deferred = [task for task in kept if isinstance(task.planned, DeferredItem)]
    assert {reason_of(task) for task in deferred} <= {OVER_BUDGET}
    assert not any(task.brings for task in deferred)


def test_who_would_have_been_fed_by_a_deferred_task_is_deferred_too() -> None:
    source = Reference.parse("redis:7")
    chain = [
        replace(one, item=replace(one.item, source=source))
        for one in (planned("redis", target=NEAR), planned("redis", target=FAR))
    ]
    tasks = tasks_of(chain, chains=True)
    assert [task.pulls for task in tasks] == [1, 0]
    assert [reason_of(one) for one in within_budget(tasks, 0)] == [OVER_BUDGET] * 2


# Copies at once from one source


def test_a_source_is_read_by_as_many_copies_as_it_allows() -> None:
    waiting = Schedule(lambda _size: MANY, None, {"quay.io": 2})
    for task in tasks_of((planned("a"), planned("b", target=FAR), planned("c"))):
        waiting.add(task)
    running = taken(waiting)
    assert list(running) == ["a@near", "b@far"]
    waiting.finish(running["b@far"], ended(running["b@far"]))
    assert list(taken(waiting)) == ["c@near"]


def test_a_copy_that_the_target_before_it_feeds_does_not_count_at_the_source() -> None:
    waiting = Schedule(lambda _size: MANY, None, {"quay.io": 1})
    for task in tasks_of((planned("a"), planned("a", target=FAR), planned("b")), chains=True):
        waiting.add(task)
    running = taken(waiting)
    assert list(running) == ["a@near"]
    waiting.finish(running["a@near"], ended(running["a@near"]))
    assert list(taken(waiting)) == ["a@far", "b@near"]
