"""A long list with all that goes wrong in lists: 200 lines' worth of truth, and no harm done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index, push

if TYPE_CHECKING:
    from demo.images import Image
    from tests.support.runs import Outcome, Site

ARM = "--platform=linux/arm64"

BAD_LINES = (
    ("--platfrom=linux/arm64 redis:7", "1: unknown option '--platfrom'; did you mean"),
    ("redis:7 mysql:8", "9: a second image on one line: 'mysql:8'"),
    ("Redis:7", "1: 'Redis:7' is not an image reference: capital letters"),
    ("https://docker.io/redis", "1: 'https://docker.io/redis' is not an image reference"),
    ("redis:", "1: 'redis:' is not an image reference"),
    ("--platform=linux/arm64", "12: the line has options but no image"),
    ("--platform=linux/mips65 redis:7", "12: 'linux/mips65' is not a platform"),
    ("redis:7 --name", "9: '--name' needs a value"),
    ("redis:7 --to=nowhere", "1: there is no usable target 'nowhere'"),
    ("redis@sha256:123", "1: 'redis@sha256:123' is not an image reference"),
)


@dataclass(frozen=True)
class Lines:
    """The list, by what its lines are; each is a pair of line number and text."""

    good: tuple[tuple[int, str], ...]
    bad: tuple[tuple[int, str], ...]
    missing: tuple[tuple[int, str], ...]
    colliding: tuple[tuple[int, str], ...]
    doubled: tuple[tuple[int, str], ...]

    def all(self) -> list[str]:
        numbered = sorted((*self.good, *self.bad, *self.missing, *self.colliding, *self.doubled))
        assert [number for number, _ in numbered] == list(range(1, 201))
        return [text for _, text in numbered]


AMD64 = {tag: build_image("linux/amd64", env=[f"TAG={tag}"]) for tag in "123"}
ARM64 = {tag: build_image("linux/arm64", env=[f"TAG={tag}"]) for tag in "123"}
BEFORE = build_image(env=["BEFORE=1"])


def deal_out(site: Site) -> Lines:
    """Spread what is wrong over the list: each eighth line is."""
    places = iter(range(8, 201, 8))
    bad = tuple((next(places), text) for text, _ in BAD_LINES)
    missing = tuple((next(places), site.source(f"app:missing{n}")) for n in range(5))
    clashes = [text for n in range(3) for text in clashing_lines(site, n)]
    colliding = tuple((next(places), text) for text in clashes)
    doubled = tuple((next(places), f"{site.source('app:1')} --name=good:{n}") for n in (0, 3))
    taken = {place for place, _ in (*bad, *missing, *colliding, *doubled)}
    free = (place for place in range(1, 201) if place not in taken)
    good = tuple((place, good_line(site, n)) for n, place in enumerate(free))
    return Lines(good, bad, missing, colliding, doubled)


def clashing_lines(site: Site, number: int) -> tuple[str, str]:
    """An image, and another one or another platform of it, under one name."""
    name = f"--name=clash:{number}"
    image, other = site.source("app:1"), site.source("app:2")
    return f"{image} {name}", f"{ARM} {image} {name}" if number == 0 else f"{other} {name}"


def good_line(site: Site, number: int) -> str:
    image = site.source(f"app:{number % 3 + 1}")
    return f"{image} --name=good:{number}" + (f" {ARM}  # for arm" if is_for_arm(number) else "")


def good_image(number: int) -> Image:
    return (ARM64 if is_for_arm(number) else AMD64)[str(number % 3 + 1)]


def is_for_arm(number: int) -> bool:
    return number % 5 == 4


def is_there_before(number: int) -> bool:
    """Most are in sync already, as in real life."""
    return bool(number % 8)


@pytest.fixture
def lines(site: Site) -> Lines:
    for tag in "123":
        site.publish(build_index([AMD64[tag], ARM64[tag]]), f"app:{tag}")
    lines = deal_out(site)
    site.list_images(*lines.all())
    assert len(lines.good) == 200 - 10 - 5 - 2 * 3 - 2
    for number in filter(is_there_before, range(len(lines.good))):
        push(site.mirror.url, f"{site.namespace}/good", str(number), good_image(number))
    for number in range(3):
        push(site.mirror.url, f"{site.namespace}/clash", str(number), BEFORE)
    return lines


def test_a_list_of_200_lines_tells_the_truth_of_each(site: Site, lines: Lines) -> None:
    outcome = site.run("batch")
    assert outcome.status == 1
    check_good(site, outcome, lines)
    check_bad(outcome, lines)
    check_missing(outcome, lines)
    check_colliding(site, outcome, lines)
    check_doubled(outcome, lines)
    there = sum(map(is_there_before, range(len(lines.good))))
    assert outcome.report["totals"] == {
        "items": len(lines.good) + len(lines.missing),
        "copied": len(lines.good) - there,
        "skipped": there,
        "failed": 5,
        "deferred": 0,
        "held": 0,
        "kept": 0,
        "invalid": 10 + 6,
        "bytes": outcome.report["totals"]["bytes"],
        "pulls": 0,
    }
    before = len(site.asked(site.mirror))
    again = site.run("batch")
    assert again.status == 1
    assert again.report["totals"]["skipped"] == len(lines.good)
    assert not site.writes(since=before)


def check_good(site: Site, outcome: Outcome, lines: Lines) -> None:
    items = {item["line"]: item for item in outcome.report["items"]}
    for number, (line, _) in enumerate(lines.good):
        item = items[line]
        assert item["action"] == ("skipped" if is_there_before(number) else "copied"), item
        assert item["destination_digest"] == good_image(number).digest
    tags = site.mirror.tags(f"{site.namespace}/good")
    assert len(tags) == len(lines.good)
    for number in range(0, len(lines.good), 4):
        digest = site.mirror.digest(f"{site.namespace}/good", str(number))
        assert digest == good_image(number).digest


def check_bad(outcome: Outcome, lines: Lines) -> None:
    told = {problem["line"]: problem for problem in outcome.report["invalid"]}
    for (line, text), (_, words) in zip(lines.bad, BAD_LINES, strict=True):
        assert told[line]["text"] == text
        assert f"images.txt:{line}:{words}" in outcome.stdout


def check_missing(outcome: Outcome, lines: Lines) -> None:
    items = {item["line"]: item for item in outcome.report["items"]}
    for line, source in lines.missing:
        assert items[line]["reason"] == "not-found"
        assert f"line {line}, aliyun: {source}: it is not there" in outcome.stdout


def check_colliding(site: Site, outcome: Outcome, lines: Lines) -> None:
    told = {problem["line"]: problem["message"] for problem in outcome.report["invalid"]}
    numbers = [line for line, _ in lines.colliding]
    for first, second in zip(numbers[::2], numbers[1::2], strict=True):
        assert f"line {second}," in told[first]
        assert f"line {first}," in told[second]
        assert "--name" in told[first]
    for number in range(3):
        assert site.mirror.digest(f"{site.namespace}/clash", str(number)) == BEFORE.digest
    assert not [one for one in site.asked(site.mirror) if f"{site.namespace}/clash/" in one.path]


def check_doubled(outcome: Outcome, lines: Lines) -> None:
    items = {item["line"] for item in outcome.report["items"]}
    for line, _ in lines.doubled:
        assert line not in items
        assert f"images.txt:{line}:1: this is line " in outcome.stderr
    assert len(outcome.report["warnings"]) == len(lines.doubled)


def test_strict_stops_at_bad_lines_before_anything_runs(site: Site) -> None:
    site.publish(AMD64["1"])
    site.list_images(site.source(), *(text for text, _ in BAD_LINES))
    outcome = site.run("batch", "--strict")
    assert outcome.status == 1
    assert outcome.report["totals"]["invalid"] == len(BAD_LINES)
    assert not outcome.report["items"]
    assert not site.asked(site.mirror)
    for _, words in BAD_LINES:
        assert words in outcome.stdout


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{0}\n", id="LF"),
        pytest.param("{0}", id="no newline at the end"),
        pytest.param("\ufeff# a comment\r\n\r\n{0}   # why\r\n", id="BOM and CRLF"),
        pytest.param("\t{0} --platform linux/amd64 --name x\n", id="options behind"),
    ],
)
def test_a_list_is_read_however_it_was_saved(site: Site, content: str) -> None:
    site.publish(AMD64["1"])
    text = content.format(site.source())
    (site.folder / "images.txt").write_bytes(text.encode())
    outcome = site.run("batch")
    assert outcome.status == 0, outcome.stdout
    assert outcome.item["action"] == "copied"


def test_an_empty_list_is_in_sync(site: Site) -> None:
    site.list_images("# nothing yet")
    outcome = site.run("batch")
    assert outcome.status == 0
    assert outcome.report["totals"]["items"] == 0
    assert "0 copied, 0 in sync, 0 failed" in outcome.stdout


def test_an_entry_may_have_targets_of_its_own(site: Site) -> None:
    site.configure(GHCR_REGISTRY=site.mirror.host, GHCR_NAMESPACE=f"{site.namespace}/ghcr")
    site.publish(AMD64["1"])
    site.list_images(
        f"{site.source()} --name=a:1",
        f"{site.source()} --name=b:1 --to=ghcr",
        f"{site.source()} --name=c:1 --to=ghcr,aliyun",
    )
    outcome = site.run("batch")
    assert outcome.status == 0, outcome.stdout
    told = [(item["line"], item["target"]) for item in outcome.report["items"]]
    assert told == [(1, "aliyun"), (2, "ghcr"), (3, "ghcr"), (3, "aliyun")]


MANY = 4_000


@pytest.mark.parametrize(
    ("line", "command", "status"),
    [
        pytest.param("--platfrom=all redis", "batch", 1, id="bad lines"),
        pytest.param("redis --platform", "name", 1, id="bad lines, named"),
        pytest.param("app{number} --name=one", "batch", 1, id="all clash"),
        pytest.param("redis", "name", 0, id="one entry again and again"),
    ],
)
def test_a_long_list_is_told_of_shortly(site: Site, line: str, command: str, status: int) -> None:
    site.list_images(*(line.format(number=number) for number in range(MANY)))
    outcome = site.run(command)
    assert outcome.status == status
    told = outcome.stdout + outcome.stderr
    assert len(told.splitlines()) < 220
    assert len(told) < 100_000
    assert f"and {MANY - 100 - (status == 0)} more " in told
    if command == "batch":
        assert len(outcome.report["invalid"]) == MANY


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"x" * 60_000_000, "a line of 60000000 bytes is no entry", id="one line"),
        pytest.param(b"x" * 100_000_000, "images.txt is larger than 64 MiB", id="a larger one"),
        pytest.param(b"redis\0:7\n", "an invisible character (U+0000)", id="a NUL"),
        pytest.param("re\u202edis\n".encode(), "an invisible character (U+202E)", id="turned"),
        pytest.param(b"\xff\xfe", "this is not UTF-8 text", id="no text"),
    ],
)
def test_a_hostile_list_is_an_error(site: Site, content: bytes, words: str) -> None:
    (site.folder / "images.txt").write_bytes(content)
    outcome = site.run("batch")
    assert outcome.status in (1, 2)
    assert words in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_list_without_end_is_an_error(site: Site) -> None:
    outcome = site.run("batch", "--file=/dev/zero")
    assert outcome.status == 2
    assert "/dev/zero is larger than 64 MiB" in outcome.stderr
