"""What comes of a pull: the mirror's answer, nothing, or why the mirror could not be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.config.image_list import parse_list
from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind
from orchestrator.front.mirror import MirrorReader, Missing, Unavailable
from orchestrator.front.places import Places
from orchestrator.front.request import Wanted, parse_wanted
from orchestrator.front.wishes import MOST, Wishes
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.items import name_items
from orchestrator.registry.responses import Inconclusive
from orchestrator.system.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.registry.transport import Request

AMD64 = PlatformChoice.parse("linux/amd64")
DIGEST = "sha256:" + "ab" * 32
TARGETS = {name: Target(name, f"{name}.example", "ns") for name in ("one", "two")}


class World:
    """Registries that answer from a table, a clock, and the clients that were made."""

    def __init__(self, answers: Mapping[str, int | str | ErrorKind]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.now = 0.0
        self.made = 0

    def make(self) -> World:
        self.made += 1
        return self

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        self.asked.append(f"{request.method} {reference}")
        said = self.answers.get(str(reference), 404)
        if isinstance(said, ErrorKind):
            return Inconclusive("no token was given", kind=said)
        return Response(said) if isinstance(said, int) else Inconclusive(said, ends_host=True)


def mirror_of(world: World, folder: Path, lines: str = "nginx:1") -> tuple[MirrorReader, Path]:
    images = parse_list(lines.encode(), file="images.txt")
    named = name_items(images, targets=TARGETS, others={}, default_platform=AMD64)
    places = Places(images, named, TARGETS, platform=AMD64)
    path = folder / "wished.txt"
    return MirrorReader(world.make, lambda: places, Wishes(path), lambda: world.now), path


def wanted(image: str) -> Wanted:
    found = parse_wanted(f"/v2/{image}")
    assert found
    return found


def lines_in(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_second_target_is_asked_where_the_first_lacks_it(tmp_path: Path) -> None:
    world = World({"two.example/ns/nginx:1": 200})
    mirror, path = mirror_of(world, tmp_path)
    answer = mirror.ask("GET", wanted("nginx/manifests/1"))
    assert isinstance(answer, Response)
    assert lines_in(path) == []
    world.answers[f"two.example/ns/nginx@{DIGEST}"] = 200
    world.asked.clear()
    mirror.ask("GET", wanted(f"nginx/blobs/{DIGEST}"))
    assert world.asked == [f"GET two.example/ns/nginx@{DIGEST}"], "where the tag was found"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_line_names_is_missing_however_a_registry_says_so(
    status: int, tmp_path: Path
) -> None:
    world = World({"one.example/ns/redis:7": status, "two.example/ns/redis:7": status})
    mirror, path = mirror_of(world, tmp_path)
    assert mirror.ask("HEAD", wanted("redis/manifests/7")) == Missing()
    assert lines_in(path) == ["redis:7"]


@pytest.mark.parametrize("said", [401, 403, 418, "one.example did not answer in time"])
def test_a_mirror_that_fails_is_not_one_without_the_image(said: int | str, tmp_path: Path) -> None:
    mirror, path = mirror_of(World({"one.example/ns/nginx:1": said}), tmp_path)
    answer = mirror.ask("GET", wanted("nginx/manifests/1"))
    reason = said if isinstance(said, str) else f"one.example answered {said}"
    assert answer == Unavailable(reason)
    assert lines_in(path) == [], "nobody knows whether it is there"


def test_a_token_that_is_not_given_means_that_there_is_nothing_to_pull(tmp_path: Path) -> None:
    refused = ErrorKind.UNAUTHORIZED
    world = World(dict.fromkeys(("one.example/ns/redis:7", "one.example/ns/nginx:1"), refused))
    mirror, path = mirror_of(world, tmp_path)
    assert mirror.ask("GET", wanted("redis/manifests/7")) == Missing()
    assert lines_in(path) == ["redis:7"]
    listed = mirror.ask("GET", wanted("nginx/manifests/1"))
    assert listed == Unavailable("no token was given"), "a line says that it should be there"


def test_a_registry_that_failed_is_asked_again_soon(tmp_path: Path) -> None:
    world = World({"one.example/ns/nginx:1": "one.example can't be reached"})
    mirror, _ = mirror_of(world, tmp_path)
    mirror.ask("GET", wanted("nginx/manifests/1"))
    mirror.ask("GET", wanted("nginx/manifests/1"))
    assert world.made == 1
    world.now = 6.0
    mirror.ask("GET", wanted("nginx/manifests/1"))
    assert world.made == 2


@pytest.mark.parametrize(
    ("method", "image", "line"),
    [
        pytest.param("GET", "library/redis/manifests/7", "redis:7", id="tag"),
        pytest.param("HEAD", f"redis/manifests/{DIGEST}", f"redis@{DIGEST}", id="pinned"),
        pytest.param("GET", f"redis/manifests/{DIGEST}", "", id="part of what came elsewhere"),
        pytest.param("GET", f"redis/blobs/{DIGEST}", "", id="blob"),
        pytest.param("GET", "ns/app/manifests/1?ns=one.example", "", id="the mirror's own name"),
        pytest.param(
            "GET", f"redis/manifests/{DIGEST.replace(':', '-')}.sig", "", id="a signature"
        ),
    ],
)
def test_what_a_pull_began_with_is_written_down(
    method: str, image: str, line: str, tmp_path: Path
) -> None:
    mirror, path = mirror_of(World({}), tmp_path)
    assert mirror.ask(method, wanted(image)) == Missing()
    assert lines_in(path) == ([line] if line else [])


def test_a_wish_is_there_once_and_gone_when_it_is_mirrored(tmp_path: Path) -> None:
    world = World({})
    mirror, path = mirror_of(world, tmp_path, "")
    for _ in range(3):
        mirror.ask("GET", wanted("redis/manifests/7"))
    assert lines_in(path) == ["redis:7"]
    world.answers["one.example/ns/redis:7"] = 200
    mirror.ask("GET", wanted("redis/manifests/7"))
    assert lines_in(path) == []


def test_wishes_are_bounded_and_outlive_the_program(tmp_path: Path) -> None:
    path = tmp_path / "wished.txt"
    path.write_text("".join(f"image:{number}\n" for number in range(MOST - 1)), encoding="utf-8")
    wishes = Wishes(path, "--platform=linux/arm64 ")
    for tag in ("1", "2", "3"):
        wishes.add(Reference.parse(f"redis:{tag}"))
    assert len(lines_in(path)) == MOST
    assert lines_in(path)[-1] == "--platform=linux/arm64 redis:1"
    assert len(Wishes(path)) == MOST
