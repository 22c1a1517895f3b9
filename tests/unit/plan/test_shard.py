"""Parts of a list: every item in exactly one, which a line more or less does not change."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import FormatError
from orchestrator.plan.items import Item
from orchestrator.plan.naming import destination_of
from orchestrator.plan.shard import MOST_SHARDS, Shard, matrix_of, shard_number, shards_for
from tests.support.reports import ALIYUN, an_item

OTHER = replace(ALIYUN, name="other", registry="registry.example", namespace="a/b")
NAMES = st.from_regex(r"[a-z0-9]{1,12}(/[a-z0-9]{1,5})?", fullmatch=True)
LISTS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "2", "latest"])), unique=True, max_size=12)
COUNTS = st.integers(min_value=1, max_value=MOST_SHARDS)


def items_of(images: list[tuple[str, str]]) -> list[Item]:
    return [
        an_item(f"{name}:{tag}", line=line, target=target)
        for line, (name, tag) in enumerate(images, start=1)
        for target in (ALIYUN, OTHER)
    ]


def parts(items: list[Item], count: int) -> list[list[Item]]:
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [list(filter(shard.has, items)) for shard in shards]


@given(LISTS, COUNTS)
def test_every_item_is_in_exactly_one_part(images: list[tuple[str, str]], count: int) -> None:
    items = items_of(images)
    found = [item for part in parts(items, count) for item in part]
    assert sorted(found, key=items.index) == items


@given(LISTS, st.lists(st.booleans(), min_size=12, max_size=12), COUNTS)
def test_a_line_more_or_less_moves_no_other(
    images: list[tuple[str, str]], stays: list[bool], count: int
) -> None:
    fewer = [image for image, is_kept in zip(images, stays, strict=False) if is_kept]
    before = {str(item.destination): shard_number(item, count) for item in items_of(images)}
    after = {str(item.destination): shard_number(item, count) for item in items_of(fewer)}
    assert after.items() <= before.items()


@given(LISTS, COUNTS)
def test_no_two_parts_write_one_repository_or_read_one_source(
    images: list[tuple[str, str]], count: int
) -> None:
    for numbers in (
        {(item.destination.name, shard_number(item, count)) for item in items_of(images)},
        {(item.source, shard_number(item, count)) for item in items_of(images)},
    ):
        assert len(numbers) == len({what for what, _ in numbers})


def test_packed_names_of_one_image_fall_to_one_part_and_those_of_many_to_all() -> None:
    target = replace(ALIYUN, naming="packed")
    items = [
        replace(item, target=target, destination=destination_of(item.source, target))
        for item in items_of([(f"app{n}", tag) for n in range(40) for tag in ("1", "2")])
    ]
    numbers = {(item.source.repository, shard_number(item, 4)) for item in items}
    assert len(numbers) == 40
    assert {number for _, number in numbers} == {1, 2, 3, 4}


@given(st.integers(min_value=0, max_value=10_000), COUNTS)
def test_shares_add_up_to_the_whole(amount: int, count: int) -> None:
    shares = [Shard(number, count).share(amount) for number in range(1, count + 1)]
    assert sum(shares) == amount
    assert max(shares) - min(shares) <= 1


def test_parts_are_of_about_one_size() -> None:
    items = items_of([(f"image{number}", "1") for number in range(1000)])
    assert all(160 <= len(part) <= 340 for part in parts(items, 8))


@pytest.mark.parametrize(
    ("items", "count"),
    [(0, 1), (1, 1), (500, 1), (501, 2), (5000, 10), (10**9, MOST_SHARDS)],
)
def test_a_list_is_worth_as_many_parts_as_it_fills(items: int, count: int) -> None:
    shards = shards_for(items, most=500)
    assert [shard.number for shard in shards] == list(range(1, count + 1))
    assert {shard.count for shard in shards} == {count}


def test_the_matrix_is_what_a_job_takes() -> None:
    assert json.loads(matrix_of(shards_for(3, most=1))) == {"shard": ["1/3", "2/3", "3/3"]}


@pytest.mark.parametrize("text", ["1/1", "2/4", "256/256"])
def test_a_shard_is_read_as_it_is_written(text: str) -> None:
    assert str(Shard.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/257", "1/0", "٣/4", " 1/2", "1/2\n"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Shard.parse(text)
