"""Items: a list and targets become named work, or problems that say where they stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.config.image_list import ImageList, parse_entry, parse_list
from orchestrator.config.targets import ALIYUN_PERSONAL, GHCR, Limits, Target
from orchestrator.errors import Problem, UsageError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.plan.items import NamedItems, name_items

ALIYUN = Target("aliyun", "registry.example", "mirrors", profile=ALIYUN_PERSONAL)
GITHUB = Target("ghcr", "ghcr.io", "octocat", profile=GHCR)
NESTED = Target("deep", "deep.example", "lab", naming="nested")
SAME_PLACE = Target("twin", "registry.example", "mirrors")
AMD = PlatformChoice.parse("linux/amd64")


def named(
    text: str | ImageList,
    *targets: Target,
    others: tuple[Target, ...] = (),
    default: PlatformChoice = AMD,
) -> NamedItems:
    images = parse_list(text.encode(), file="images.txt") if isinstance(text, str) else text
    return name_items(
        images,
        targets={target.name: target for target in targets or (ALIYUN,)},
        others={target.name: target for target in others},
        default_platform=default,
    )


def destinations(found: NamedItems) -> list[str]:
    return [str(item.destination) for item in found.items]


def told(found: NamedItems) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_nothing_is_nothing() -> None:
    assert named("# only a comment\n") == NamedItems(())


def test_items_stand_in_the_lists_order_and_then_the_targets() -> None:
    found = named("nginx:1\nbitnami/redis:7\n", GITHUB, ALIYUN)
    assert destinations(found) == [
        "ghcr.io/octocat/nginx:1",
        "registry.example/mirrors/nginx:1",
        "ghcr.io/octocat/bitnami_redis:7",
        "registry.example/mirrors/bitnami_redis:7",
    ]
    assert [item.line for item in found.items] == [1, 1, 2, 2]
    assert [item.target.name for item in found.items] == ["ghcr", "aliyun"] * 2


@pytest.mark.parametrize(
    ("line", "default", "choice", "destination"),
    [
        pytest.param("redis:7", "linux/amd64", "linux/amd64", "redis:7", id="the default"),
        pytest.param("redis:7", "all", "all", "redis:7", id="another default"),
        pytest.param(
            "redis:7 --platform=arm64", "all", "linux/arm64", "linux_arm64_redis:7", id="written"
        ),
        pytest.param("redis:7 --platform=all", "linux/amd64", "all", "redis:7", id="all"),
        pytest.param("redis:7 --name=cache:1", "all", "all", "cache:1", id="a name of its own"),
    ],
)
def test_a_platform_that_is_not_written_is_no_part_of_the_name(
    line: str, default: str, choice: str, destination: str
) -> None:
    (item,) = named(line, default=PlatformChoice.parse(default)).items
    assert str(item.choice) == choice
    assert str(item.destination) == f"registry.example/mirrors/{destination}"


# Duplicates


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("redis:7", id="the same"),
        pytest.param("docker.io/library/redis:7", id="in full"),
        pytest.param("index.docker.io/redis:7", id="by its old host"),
        pytest.param("redis:7   # again", id="with a comment"),
        pytest.param("redis:7 --name=redis:7", id="named as it would be"),
        pytest.param("redis:7 --name=redis --platform=linux/amd64", id="the default, written"),
    ],
)
def test_an_entry_that_stands_twice_runs_once_with_a_warning(second: str) -> None:
    found = named(f"redis:7\nnginx:1\n{second}\n")
    assert destinations(found) == [
        "registry.example/mirrors/redis:7",
        "registry.example/mirrors/nginx:1",
    ]
    assert found.warnings == ("images.txt:3:1: this is line 1 again, and runs once",)
    assert not found.problems


def test_the_order_of_platforms_makes_no_other_entry() -> None:
    found = named(
        "redis:7 --platform=linux/amd64,linux/arm64?\nredis:7 --platform=linux/arm64?,linux/amd64\n"
    )
    assert destinations(found) == ["registry.example/mirrors/redis:7"]
    assert found.warnings == ("images.txt:2:1: this is line 1 again, and runs once",)
    assert not found.problems


def test_what_may_be_left_out_makes_another_entry() -> None:
    found = named(
        "redis:7 --platform=linux/amd64,linux/arm64\nredis:7 --platform=linux/arm64?,linux/amd64\n"
    )
    assert found.items == ()


def test_a_host_and_the_same_at_the_port_of_https_are_one_place() -> None:
    at_port = Target("twin", "registry.example:443", "mirrors")
    found = named("redis:7\n", ALIYUN, at_port)
    assert destinations(found) == ["registry.example/mirrors/redis:7"]
    assert len(found.warnings) == 1


def test_a_duplicate_in_several_targets_is_one_warning() -> None:
    found = named("redis:7\nredis:7\nredis:7\n", ALIYUN, GITHUB)
    assert len(found.items) == 2
    assert len(found.warnings) == 2


def test_two_entries_meet_only_where_both_go() -> None:
    found = named("redis:7 --to=ghcr\nredis:7\n", ALIYUN, GITHUB)
    assert destinations(found) == ["ghcr.io/octocat/redis:7", "registry.example/mirrors/redis:7"]
    assert found.warnings == ("images.txt:2:1: this is line 1 again, and runs once",)


# Clashes


@pytest.mark.parametrize(
    ("first", "second", "at"),
    [
        pytest.param("quay.io/a/b:1", "quay.io/a_b:1", "quay-io_a_b:1", id="flattened"),
        pytest.param("redis:7", "bitnami/redis:7 --name=redis:7", "redis:7", id="named"),
        pytest.param("redis:7", "redis:7 --platform=all", "redis:7", id="platforms"),
        pytest.param(
            "redis:7 --name=x", "redis:7 --name=x --platform=arm64", "x:7", id="named platforms"
        ),
        pytest.param("redis:7", f"redis:7@sha256:{'a' * 64}", "redis:7", id="pinned and not"),
    ],
)
def test_entries_that_would_land_on_one_destination_are_errors_naming_each_other(
    first: str, second: str, at: str
) -> None:
    found = named(f"{first}\nnginx:1\n{second}\n")
    assert destinations(found) == ["registry.example/mirrors/nginx:1"]
    one, two = found.problems
    would = f"it would be 'registry.example/mirrors/{at}', and so would line"
    assert (one.line, two.line) == (1, 3)
    assert one.message.startswith(f"{would} 3, '")
    assert two.message.startswith(f"{would} 1, '")
    assert one.hint == two.hint == "give one of them another --name"


def test_a_clash_of_three_names_the_two_others() -> None:
    found = named("a:1 --name=x\nb:1 --name=x\nc:1 --name=x\n")
    assert [problem.line for problem in found.problems] == [1, 2, 3]
    assert "line 1, 'a:1', line 3, 'c:1'" in found.problems[1].message


@pytest.mark.parametrize(
    ("count", "words"),
    [
        pytest.param(4, "line 2, 'b:1', line 3, 'c:1', line 4, 'd:1'", id="all of a few"),
        pytest.param(6, "line 2, 'b:1', line 3, 'c:1', line 4, 'd:1', and 2 more", id="of many"),
    ],
)
def test_a_clash_of_many_names_the_first_few(count: int, words: str) -> None:
    found = named("".join(f"{name}:1 --name=x\n" for name in "abcdef"[:count]))
    assert found.problems[0].message.endswith(f"and so would {words}")


def test_who_clashes_in_one_target_runs_in_none() -> None:
    found = named("quay.io/a/b:1\nquay.io/a_b:1\n", NESTED, ALIYUN)
    assert found.items == ()
    assert len(found.problems) == 2
    assert all("registry.example/mirrors/quay-io_a_b:1" in line for line in told(found))


def test_the_same_names_in_different_targets_do_not_clash() -> None:
    assert len(named("quay.io/a/b:1\nquay.io/a_b:1\n", NESTED).items) == 2


def test_two_targets_of_one_place_are_told_by_name() -> None:
    found = named("redis:7\n", ALIYUN, SAME_PLACE)
    assert destinations(found) == ["registry.example/mirrors/redis:7"]
    assert found.warnings == (
        "images.txt:1:1: targets aliyun and twin are one place, and it runs once",
    )


# Sources that would be written over

BY_NAME = Target("ghcr", "ghcr.io", "octocat", naming="{name}", profile=GHCR)
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("line", "target"),
    [
        pytest.param("ghcr.io/octocat/app:1 --name=app:1", GITHUB, id="named"),
        pytest.param("ghcr.io/octocat/app:1 --name=app", GITHUB, id="named without a tag"),
        pytest.param("ghcr.io/octocat/app:1", BY_NAME, id="by a naming rule"),
        pytest.param("ghcr.io:443/octocat/app:1", BY_NAME, id="with the port of HTTPS"),
        pytest.param("GHCR.io/octocat/app:1", BY_NAME, id="in capitals"),
        pytest.param(f"ghcr.io/octocat/app:1@{DIGEST}", BY_NAME, id="pinned"),
        pytest.param("ghcr.io/octocat/app:1 --platform=all", BY_NAME, id="all of it"),
    ],
)
def test_an_image_is_never_copied_onto_itself(line: str, target: Target) -> None:
    found = named(f"{line}\nnginx:1\n", target)
    assert destinations(found) == ["ghcr.io/octocat/nginx:1"]
    (problem,) = found.problems
    assert problem.message == "it would be copied onto itself, 'ghcr.io/octocat/app:1'"
    assert problem.hint == "give it another --name, or another target with --to"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("ghcr.io/octocat/app:1 --name=app:2", id="another tag"),
        pytest.param(f"ghcr.io/octocat/app@{DIGEST} --name=app", id="pinned, without a tag"),
        pytest.param("ghcr.io/octocat/app:1 --to=aliyun", id="another target"),
    ],
)
def test_a_source_in_the_targets_own_registry_may_be_copied_elsewhere(line: str) -> None:
    found = named(f"{line}\n", BY_NAME, others=(ALIYUN,))
    assert len(found.items) == 1
    assert not found.problems


def test_a_source_of_another_line_is_not_written_over() -> None:
    found = named("app:1\nghcr.io/octocat/app:1 --to=aliyun\n", GITHUB, others=(ALIYUN,))
    assert destinations(found) == ["registry.example/mirrors/ghcr-io_octocat_app:1"]
    assert told(found) == [
        "images.txt:1:1: it would be 'ghcr.io/octocat/app:1', the source of line 2, "
        "'ghcr.io/octocat/app:1'; give it another --name, or another target "
        "with --to"
    ]


def test_what_writes_over_sources_in_two_targets_is_told_once() -> None:
    found = named("registry.example/mirrors/a:1 --name=a\n", ALIYUN, SAME_PLACE)
    assert found.items == ()
    assert len(found.problems) == 1


def test_an_image_of_the_command_line_is_never_copied_onto_itself() -> None:
    images = ImageList("", (parse_entry("ghcr.io/octocat/app:1", {"--name": "app:1"}),))
    with pytest.raises(UsageError) as caught:
        named(images, GITHUB)
    assert caught.value.message == (
        "'ghcr.io/octocat/app:1': it would be copied onto itself, 'ghcr.io/octocat/app:1'; "
        "give it another --name"
    )


# Targets of an entry's own


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("redis:7 --to=ghcr", ["ghcr.io/octocat/redis:7"], id="one of the run's"),
        pytest.param("redis:7 --to=deep", ["deep.example/lab/redis:7"], id="one of the others"),
        pytest.param(
            "redis:7 --to=deep,aliyun",
            ["deep.example/lab/redis:7", "registry.example/mirrors/redis:7"],
            id="two, in the entry's order",
        ),
    ],
)
def test_an_entry_may_name_its_own_targets(line: str, found: list[str]) -> None:
    assert destinations(named(line, ALIYUN, GITHUB, others=(NESTED,))) == found


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("gchr", "did you mean 'ghcr'?", id="typing error"),
        pytest.param("zzz", "set it up in config.env or targets.toml", id="nothing near"),
    ],
)
def test_a_target_that_is_not_usable_is_told_with_the_line(name: str, hint: str) -> None:
    found = named(f"redis:7\nnginx:1 --to={name}\n", ALIYUN, GITHUB)
    assert len(found.items) == 2
    assert told(found) == [f"images.txt:2:1: there is no usable target '{name}'; {hint}"]


# Problems


def test_all_problems_come_together_in_the_lists_order() -> None:
    found = named(
        "b:1 --name=x\nRedis:7\na:1 --name=a/b\nx:1 --to=zzz\nc:1 --name=x\nnginx --platfrom=all\n"
    )
    assert [problem.line for problem in found.problems] == [1, 2, 3, 4, 5, 6]
    assert found.items == ()
    assert found.problems[1].hint == "names are in lower case: 'redis:7'"


def test_a_name_that_a_target_does_not_take_is_told_with_the_line() -> None:
    found = named("nginx:1\nredis:7 --name=a/b\n")
    assert told(found) == [
        "images.txt:2:1: 'a/b' has a slash, and aliyun takes names of one level only; write "
        "--name=a_b"
    ]
    assert len(found.items) == 1


# The command line


def test_an_image_of_the_command_line_has_no_line() -> None:
    images = ImageList("", (parse_entry("redis:7", {"--platform": "arm64", "--name": "cache"}),))
    (item,) = named(images).items
    assert item.line == 0
    assert str(item.destination) == "registry.example/mirrors/cache:7"


def test_a_problem_of_the_command_line_names_the_image() -> None:
    images = ImageList("", (parse_entry("redis:7", {"--name": "a/b"}),))
    with pytest.raises(UsageError, match="'redis:7': 'a/b' has a slash"):
        named(images)


def test_images_of_the_command_line_that_clash_name_each_other() -> None:
    images = ImageList("", (parse_entry("quay.io/a/b:1"), parse_entry("quay.io/a_b:1")))
    with pytest.raises(UsageError) as caught:
        named(images)
    assert caught.value.message.splitlines() == [
        "'quay.io/a/b:1': it would be 'registry.example/mirrors/quay-io_a_b:1', and so would "
        "'quay.io/a_b:1'; give one of them another --name",
        "'quay.io/a_b:1': it would be 'registry.example/mirrors/quay-io_a_b:1', and so would "
        "'quay.io/a/b:1'; give one of them another --name",
    ]


def test_an_image_given_twice_runs_once() -> None:
    images = ImageList("", (parse_entry("redis:7"), parse_entry("docker.io/redis:7")))
    found = named(images)
    assert len(found.items) == 1
    assert found.warnings == ("'docker.io/redis:7': this is 'redis:7' again, and runs once",)


def test_problems_of_the_list_itself_are_kept() -> None:
    problem = Problem("images.txt", 4, 2, "x y", "a second image on one line")
    assert named(ImageList("images.txt", (), (problem,))).problems == (problem,)


MANY = "".join(f"team/app{n}:1\n" for n in range(1, 901))


def test_line_301_is_refused_where_an_account_may_have_300_repositories() -> None:
    found = named(MANY, ALIYUN, GITHUB)
    assert len(found.items) == 300 + 900
    assert [problem.line for problem in found.problems] == [*range(301, 901)]
    first = found.problems[0]
    assert first.message == (
        "aliyun: 'registry.example/mirrors/team_app301' would be repository 301, "
        "and its account may have 300"
    )
    assert first.hint == (
        "set NAMING=packed (many images in three repositories), "
        "or set limits for [targets.aliyun] in targets.toml if yours may have more"
    )


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(replace(ALIYUN, naming="packed"), id="packed, as the hint says"),
        pytest.param(replace(ALIYUN, own_limits=Limits(repositories=900)), id="a limit of its own"),
        pytest.param(replace(ALIYUN, own_limits=Limits()), id="unlimited"),
        pytest.param(GITHUB, id="a profile without a limit"),
    ],
)
def test_nine_hundred_images_fit_where_there_is_room(target: Target) -> None:
    found = named(MANY, target)
    assert len(set(destinations(found))) == 900
    assert not found.problems


def test_tags_of_a_repository_that_is_there_fit_after_the_last() -> None:
    one = replace(ALIYUN, own_limits=Limits(repositories=1))
    found = named("redis:1\nnginx:1\nredis:2\n", one)
    assert destinations(found) == [
        "registry.example/mirrors/redis:1",
        "registry.example/mirrors/redis:2",
    ]
    assert [problem.line for problem in found.problems] == [2]


@pytest.mark.parametrize(
    ("username", "fitting"),
    [pytest.param("", 1, id="one account"), pytest.param("other", 2, id="two accounts")],
)
def test_targets_of_one_account_are_counted_together(username: str, fitting: int) -> None:
    limits = Limits(namespaces=1, repositories=9)
    first = replace(ALIYUN, own_limits=limits)
    second = Target("two", "registry.example:443", "b", username=username, own_limits=limits)
    found = named("redis:1\n", first, second)
    assert len(found.items) == fitting
    refused = ["two: 'registry.example:443/b' would be namespace 2, and its account may have 1"]
    assert [one.message for one in found.problems] == refused[: 2 - fitting]


def test_what_is_refused_for_a_clash_takes_no_place() -> None:
    one = replace(ALIYUN, own_limits=Limits(repositories=1))
    found = named("a:1 --name=x\nb:1 --name=x\nc:1\n", one)
    assert destinations(found) == ["registry.example/mirrors/c:1"]


def test_an_image_of_the_command_line_that_goes_over_is_a_usage_error() -> None:
    one = replace(ALIYUN, own_limits=Limits(repositories=1))
    images = ImageList("", (parse_entry("a:1", {}), parse_entry("b:1", {})))
    with pytest.raises(UsageError) as refused:
        named(images, one)
    assert "would be repository 2" in str(refused.value)
