"""The image list: every rule of its grammar, and every bad line at once."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.config.image_list import OPTIONS, Entry, parse_entry, parse_list
from orchestrator.errors import FormatError, Problem
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference

HEX = "0123456789abcdef" * 4
WORDS = (
    "nginx --platform --platform= = arm64 all --name=x --to=a,b --to --x - @ : / # a , é".split()
)
LINE_PIECES = st.sampled_from([*WORDS, " ", "\t", "\r", "\n", "\x00", "\u202e"])


def entries_of(content: bytes | str) -> tuple[Entry, ...]:
    encoded = content.encode() if isinstance(content, str) else content
    found = parse_list(encoded, file="images.txt")
    assert found.problems == ()
    return found.entries


def problems_of(content: bytes | str) -> tuple[Problem, ...]:
    encoded = content.encode() if isinstance(content, str) else content
    return parse_list(encoded, file="images.txt").problems


@pytest.mark.parametrize(
    ("line", "source", "platform", "name", "to"),
    [
        pytest.param("nginx:alpine", "nginx:alpine", "", "", (), id="an image"),
        pytest.param(
            "--platform=linux/arm64 mysql:8.0", "mysql:8.0", "linux/arm64", "", (), id="platform"
        ),
        pytest.param(
            "--platform linux/arm/v7 redis:7", "redis:7", "linux/arm/v7", "", (), id="a space for ="
        ),
        pytest.param(
            "--platform=linux/amd64,linux/arm64 traefik:v3",
            "traefik:v3",
            "linux/amd64,linux/arm64",
            "",
            (),
            id="several platforms",
        ),
        pytest.param(
            "--platform=all quay.io/coreos/etcd:v3.5.0",
            "quay.io/coreos/etcd:v3.5.0",
            "all",
            "",
            (),
            id="all platforms",
        ),
        pytest.param(
            "bitnami/redis:latest --name=cached-redis:latest",
            "bitnami/redis:latest",
            "",
            "cached-redis:latest",
            (),
            id="name after the image",
        ),
        pytest.param(
            f"busybox@sha256:{HEX}", f"busybox@sha256:{HEX}", "", "", (), id="pinned by digest"
        ),
        pytest.param(
            f"ghcr.io/foo/bar:1.2@sha256:{HEX}",
            f"ghcr.io/foo/bar:1.2@sha256:{HEX}",
            "",
            "",
            (),
            id="tag and digest",
        ),
        pytest.param("nginx --to=aliyun", "nginx", "", "", ("aliyun",), id="one target"),
        pytest.param(
            "--to ghcr,aliyun nginx", "nginx", "", "", ("ghcr", "aliyun"), id="two targets"
        ),
        pytest.param("nginx --to a,a", "nginx", "", "", ("a",), id="one target, twice"),
        pytest.param(
            "--name x:1 nginx --to a --platform=arm64",
            "nginx",
            "linux/arm64",
            "x:1",
            ("a",),
            id="every option, before and after",
        ),
        pytest.param("nginx --platform arm64", "nginx", "linux/arm64", "", (), id="value at end"),
        pytest.param("nginx --name=a=b", "nginx", "", "a=b", (), id="an equals sign in a value"),
        pytest.param("  nginx\t ", "nginx", "", "", (), id="white space around"),
        pytest.param("\tnginx\t--name\tx", "nginx", "", "x", (), id="tabs"),
        pytest.param("nginx\u3000--name=x", "nginx", "", "x", (), id="ideographic space"),
        pytest.param("nginx # the web", "nginx", "", "", (), id="comment after a space"),
        pytest.param("nginx\t# the web", "nginx", "", "", (), id="comment after a tab"),
        pytest.param("nginx #", "nginx", "", "", (), id="empty comment"),
        pytest.param("nginx # a # b", "nginx", "", "", (), id="comment in a comment"),
        pytest.param("nginx # --platform=x", "nginx", "", "", (), id="option in a comment"),
        pytest.param("nginx # 网页 👩‍💻", "nginx", "", "", (), id="comment in any script"),
        pytest.param("nginx --name=a#b", "nginx", "", "a#b", (), id="no comment within a word"),
    ],
)
def test_a_line_is_an_image_and_its_options_in_any_order(
    line: str, source: str, platform: str, name: str, to: tuple[str, ...]
) -> None:
    (entry,) = entries_of(line)
    assert entry.source == Reference.parse(source)
    assert entry.platform == (PlatformChoice.parse(platform) if platform else None)
    assert (entry.name, entry.to) == (name, to)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="empty"),
        pytest.param("   \t", id="white space"),
        pytest.param("# nginx", id="comment"),
        pytest.param("#nginx", id="comment without a space"),
        pytest.param("  # nginx", id="indented comment"),
        pytest.param("#", id="comment sign alone"),
        pytest.param("## --platform=", id="an option in a comment"),
    ],
)
def test_an_empty_line_and_a_comment_hold_nothing(line: str) -> None:
    assert entries_of(line) == ()


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\n\n", [], id="empty lines"),
        pytest.param(b"nginx\nredis\n", [1, 2], id="LF"),
        pytest.param(b"nginx\r\nredis\r\n", [1, 2], id="CRLF"),
        pytest.param(b"nginx\nredis\r\n", [1, 2], id="both"),
        pytest.param(b"# x\rnginx\rredis", [2, 3], id="CR alone"),
        pytest.param(b"nginx\nredis", [1, 2], id="no last newline"),
        pytest.param(b"nginx\r\nredis\r", [1, 2], id="half a last newline"),
        pytest.param(b"\xef\xbb\xbfnginx\nredis\n", [1, 2], id="byte order mark"),
        pytest.param(b"\xef\xbb\xbf# x\r\nnginx\r\n\r\nredis", [2, 4], id="all of it"),
        pytest.param(b"\xef\xbb\xbf", [], id="byte order mark alone"),
        pytest.param(b"nginx\n\n# x\n\nredis\n", [1, 5], id="gaps"),
        pytest.param(b"nginx\nnginx\n", [1, 2], id="one entry twice, for the planner to see"),
    ],
)
def test_lines_are_counted_however_the_file_was_saved(content: bytes, lines: list[int]) -> None:
    assert [entry.line for entry in entries_of(content)] == lines


def test_an_entry_knows_where_its_image_stands() -> None:
    (entry,) = entries_of("# list\n  --platform=arm64 nginx # web\n")
    assert (entry.line, entry.column) == (2, 20)
    assert entry.text == "--platform=arm64 nginx # web"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(
            "nginx --platfrom=arm64",
            "1:7: unknown option '--platfrom'; did you mean '--platform'?",
            id="misspelt option",
        ),
        pytest.param(
            "nginx --arch=arm64",
            f"1:7: unknown option '--arch'; the options are {', '.join(OPTIONS)}",
            id="unknown option",
        ),
        pytest.param(
            "nginx -p arm64",
            f"1:7: unknown option '-p'; the options are {', '.join(OPTIONS)}",
            id="short option",
        ),
        pytest.param(
            "nginx --Platform=arm64",
            "1:7: unknown option '--Platform'; did you mean '--platform'?",
            id="option in capitals",
        ),
        pytest.param(
            "nginx --authfile=/etc/shadow",
            f"1:7: unknown option '--authfile'; the options are {', '.join(OPTIONS)}",
            id="an option of skopeo",
        ),
        pytest.param(
            "nginx -- redis",
            f"1:7: unknown option '--'; the options are {', '.join(OPTIONS)}",
            id="two dashes",
        ),
        pytest.param(
            "nginx redis",
            "1:7: a second image on one line: 'redis'; give it a line of its own",
            id="two images",
        ),
        pytest.param(
            "nginx --platform=arm64 --platform=amd64",
            "1:24: '--platform' stands twice on one line",
            id="option twice",
        ),
        pytest.param(
            "nginx --platform", "1:7: '--platform' needs a value; write --platform=VALUE", id="none"
        ),
        pytest.param(
            "nginx --platform=", "1:7: '--platform' needs a value; write --platform=VALUE", id="="
        ),
        pytest.param(
            "nginx --name --to=x",
            "1:7: '--name' needs a value; write --name=VALUE",
            id="an option for a value",
        ),
        pytest.param(
            "nginx --name=--tls-verify",
            "1:7: '--name' needs a value; write --name=VALUE",
            id="an option within a value",
        ),
        pytest.param(
            "nginx --name # x", "1:7: '--name' needs a value; write --name=VALUE", id="comment"
        ),
        pytest.param(
            "--platform=linux/amd46 nginx",
            "1:12: 'linux/amd46' is not a platform; did you mean 'linux/amd64'?",
            id="no platform",
        ),
        pytest.param(
            "--platform linux/amd46 nginx",
            "1:12: 'linux/amd46' is not a platform; did you mean 'linux/amd64'?",
            id="no platform after a space",
        ),
        pytest.param(
            "  Nginx",
            "1:3: 'Nginx' is not an image reference: capital letters; "
            "names are in lower case: 'nginx'",
            id="capitals",
        ),
        pytest.param(
            "docker://nginx",
            "1:1: 'docker://nginx' is not an image reference: it starts with 'docker://'; "
            "write 'nginx'",
            id="scheme",
        ),
        pytest.param(
            "--platform=linux/amd64, linux/arm64 nginx",
            "1:12: 'linux/amd64,' has a comma too many; "
            "write them as 'linux/amd64,linux/arm64', no spaces",
            id="a space in a list of platforms",
        ),
        pytest.param(
            "nginx --to=aliyun, ghcr",
            "1:12: 'aliyun,' names no target; write --to=aliyun,ghcr, no spaces",
            id="a space in a list of targets",
        ),
        pytest.param(
            "nginx --to=,",
            "1:12: ',' names no target; write --to=aliyun,ghcr, no spaces",
            id="comma",
        ),
        pytest.param(
            "--platform=arm64",
            "1:12: the line has options but no image; write the image too",
            id="options without an image",
        ),
        pytest.param(
            "\u2014platform=arm64 nginx",
            "1:1: an image reference can't hold '\u2014' (U+2014); retype it in plain ASCII",
            id="a dash made long by an editor",
        ),
        pytest.param(
            "nginx --platform\u200b=arm64",
            "1:17: an invisible character (U+200B); delete it",
            id="zero-width space in an option",
        ),
        pytest.param(
            "nginx --to=a\x1b[2J",
            "1:13: an invisible character (U+001B); delete it",
            id="escape sequence in a value",
        ),
        *(
            pytest.param(
                f"nginx{space}--name=x",
                f"1:6: a space that is not the plain one (U+{ord(space):04X}); write a plain space",
                id=f"U+{ord(space):04X}",
            )
            for space in ("\xa0", "\u2028", "\u2029", "\u2009", "\u0085", "\x0b", "\x1c")
        ),
        pytest.param("nginx\x00 # x", "1:6: an invisible character (U+0000); delete it", id="NUL"),
        pytest.param(
            "nginx#web",
            "1:1: 'nginx#web' is not an image reference: the format is wrong; "
            "write it as [registry/]repository[:tag][@sha256:digest]",
            id="comment without a space",
        ),
    ],
)
def test_a_bad_line_says_where_and_what_to_do(line: str, told: str) -> None:
    (problem,) = problems_of(line)
    assert str(problem) == f"images.txt:{told}"
    assert problem.text == line.strip()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("--name nginx", id="the image taken for a value"),
        pytest.param("nginx\x00", id="NUL"),
        pytest.param("ngi\u200bnx", id="zero-width space"),
        pytest.param("nginx\u202e", id="bidi override"),
        pytest.param("nginx\x1b[2J", id="escape sequence"),
        pytest.param("nginx,redis", id="comma"),
        pytest.param("nginx;id", id="semicolon"),
        pytest.param("$(id)", id="shell"),
        pytest.param("n" * 4096, id="a long word"),
        pytest.param("- nginx", id="a list's dash"),
        pytest.param("FROM nginx", id="Dockerfile"),
        pytest.param("image: nginx", id="compose file"),
    ],
)
def test_what_is_no_entry_is_a_problem(line: str) -> None:
    (problem,) = problems_of(line)
    assert (problem.file, problem.line) == ("images.txt", 1)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        pytest.param("docker pull nginx:1", "docker pull nginx:1", id="a whole command"),
        pytest.param(
            "  sudo docker pull --platform linux/arm64 -q quay.io/a/b # web",
            "sudo docker pull --platform linux/arm64 -q quay.io/a/b",
            id="a whole command with a platform",
        ),
        pytest.param("  image: 'nginx:1'", "image: 'nginx:1'", id="compose's line"),
        pytest.param("- image: nginx", "- image: nginx", id="a list's line in YAML"),
        pytest.param("FROM nginx AS web", "FROM nginx AS web", id="a Dockerfile's line"),
        pytest.param("https://hub.docker.com/_/nginx --to=ghcr", "https://hub.docker.com/_/nginx"),
        pytest.param("quay.io/repository/a/b", "quay.io/repository/a/b", id="a page"),
        pytest.param("'nginx:1' --to=ghcr", "'nginx:1'", id="quotes"),
        pytest.param("Nginx:Alpine", "Nginx:Alpine", id="capitals"),
        pytest.param("nginx --platfrom=arm64", "--platfrom", id="an option"),
        pytest.param("nginx --platform=linux/armv6", "linux/armv6", id="a platform"),
        pytest.param("nginx --platform=amd64/linux", "amd64/linux", id="the wrong way round"),
        pytest.param("nginx --platform windows/amd46", "windows/amd46", id="a system's platform"),
    ],
)
def test_a_hint_that_is_followed_mends_the_line(line: str, wrong: str) -> None:
    (problem,) = problems_of(line)
    meant = problem.hint.split("'")[1]
    assert parse_list(line.replace(wrong, meant).encode(), file="x").problems == ()
    assert line[problem.column - 1 :].startswith(wrong)


def test_bytes_that_are_no_utf_8_are_a_problem_of_their_line_only() -> None:
    found = parse_list(b"nginx\nre\xffdis\nmysql\n", file="images.txt")
    assert [entry.line for entry in found.entries] == [1, 3]
    assert [str(problem) for problem in found.problems] == [
        "images.txt:2:3: this is not UTF-8 text; save the file as UTF-8"
    ]


def test_the_column_of_a_bad_byte_is_counted_in_characters() -> None:
    (problem,) = problems_of("网页".encode() + b"\xff")
    assert problem.column == 3


def test_a_line_far_too_long_is_a_problem_and_is_not_shown_whole() -> None:
    (problem,) = problems_of("nginx " + "x" * 5000)
    assert str(problem) == "images.txt:1: a line of 5006 bytes is no entry"
    assert len(problem.text) == 120


def test_all_bad_lines_are_told_at_once_and_the_others_still_stand() -> None:
    found = parse_list(
        b"nginx\r\n--platfrom=x a\r\nredis mysql\r\n# x\r\n\xff\r\nA\r\nbusybox", file="my list"
    )
    assert [entry.source.familiar for entry in found.entries] == ["nginx:latest", "busybox:latest"]
    assert [(problem.line, problem.column) for problem in found.problems] == [
        (2, 1),
        (3, 7),
        (5, 1),
        (6, 1),
    ]
    assert {problem.file for problem in found.problems} == {"my list"}


def test_an_image_of_the_command_line_is_an_entry_of_no_line() -> None:
    entry = parse_entry("nginx:1", {"--platform": "arm64", "--name": "web"})
    assert entry == Entry(
        0,
        0,
        "nginx:1",
        Reference.parse("nginx:1"),
        platform=PlatformChoice.parse("linux/arm64"),
        name="web",
    )


def test_without_a_platform_the_command_lines_entry_has_none() -> None:
    assert parse_entry("nginx").platform is None


@pytest.mark.parametrize(
    ("image", "platform"),
    [
        pytest.param("Nginx", "", id="image"),
        pytest.param("", "", id="no image"),
        pytest.param("nginx # x", "", id="a line is no image"),
        pytest.param("nginx", "amd46", id="platform"),
    ],
)
def test_what_is_no_image_of_the_command_line_is_refused(image: str, platform: str) -> None:
    with pytest.raises(FormatError):
        parse_entry(image, {"--platform": platform} if platform else {})


@given(st.binary() | st.lists(LINE_PIECES).map(lambda pieces: "".join(pieces).encode()))
@example(b"\xff\xfen\x00g\x00\n\x00")
@example(b"#" * 5000)
def test_any_bytes_are_entries_or_problems_in_the_order_of_their_lines(content: bytes) -> None:
    found = parse_list(content, file="images.txt")
    lines = [entry.line for entry in found.entries]
    bad_lines = [problem.line for problem in found.problems]
    assert lines == sorted(set(lines))
    assert bad_lines == sorted(set(bad_lines))
    assert not set(lines) & set(bad_lines)
    for problem in found.problems:
        assert problem.message
        assert len(str(problem)) < 9000
