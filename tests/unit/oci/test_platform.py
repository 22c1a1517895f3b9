"""Platforms: containerd's normal form, and which one serves which, as skopeo sees it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import FormatError
from orchestrator.oci.platform import Platform, PlatformChoice

WORDS = st.text(alphabet="armv7864x-_/,.LINUXlinux \n\x00\u0667", max_size=24)
ODD = st.text(alphabet="ax79.-_ (,?/", max_size=6)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("linux/amd64", "linux/amd64", id="as docker writes it"),
        pytest.param("amd64", "linux/amd64", id="no system is linux"),
        pytest.param("x86_64", "linux/amd64", id="uname's amd64"),
        pytest.param("x86-64", "linux/amd64", id="x86-64"),
        pytest.param("amd64/v1", "linux/amd64", id="amd64's baseline"),
        pytest.param("amd64/1", "linux/amd64", id="amd64's baseline in digits"),
        pytest.param("linux/amd64/v2", "linux/amd64/v2", id="amd64 v2"),
        pytest.param("linux/amd64/v3", "linux/amd64/v3", id="amd64 v3"),
        pytest.param("i386", "linux/386", id="i386"),
        pytest.param("386", "linux/386", id="386"),
        pytest.param("arm64", "linux/arm64", id="arm64"),
        pytest.param("arm64/v8", "linux/arm64", id="arm64's baseline"),
        pytest.param("arm64/8", "linux/arm64", id="arm64's baseline in digits"),
        pytest.param("linux/arm64/v8", "linux/arm64", id="arm64's baseline, in full"),
        pytest.param("linux/arm64/v9", "linux/arm64/v9", id="arm64 v9"),
        pytest.param("aarch64", "linux/arm64", id="uname's arm64"),
        pytest.param("linux/aarch64/v8", "linux/arm64", id="uname's arm64 with its variant"),
        pytest.param("arm", "linux/arm/v7", id="arm is v7"),
        pytest.param("linux/arm", "linux/arm/v7", id="arm is v7, in full"),
        pytest.param("arm/v7", "linux/arm/v7", id="arm v7"),
        pytest.param("arm/7", "linux/arm/v7", id="arm v7 in digits"),
        pytest.param("arm/v6", "linux/arm/v6", id="arm v6"),
        pytest.param("linux/arm/5", "linux/arm/v5", id="arm v5 in digits"),
        pytest.param("linux/arm/v8", "linux/arm/v8", id="arm v8"),
        pytest.param("armhf", "linux/arm/v7", id="debian's armhf"),
        pytest.param("armel", "linux/arm/v6", id="debian's armel"),
        pytest.param("armhf/v6", "linux/arm/v7", id="armhf is v7, as containerd insists"),
        pytest.param("linux/ppc64le", "linux/ppc64le", id="power"),
        pytest.param("s390x", "linux/s390x", id="mainframe"),
        pytest.param("riscv64", "linux/riscv64", id="risc-v"),
        pytest.param("loong64", "linux/loong64", id="loongson"),
        pytest.param("mips64le", "linux/mips64le", id="mips"),
        pytest.param("windows/amd64", "windows/amd64", id="windows"),
        pytest.param("windows/arm", "windows/arm/v7", id="windows on arm"),
        pytest.param("darwin/arm64", "darwin/arm64", id="darwin"),
        pytest.param("macos/aarch64", "darwin/arm64", id="macos"),
        pytest.param("freebsd/amd64", "freebsd/amd64", id="freebsd"),
        pytest.param("wasip1/wasm", "wasip1/wasm", id="wasm"),
        pytest.param("wasi/wasm", "wasi/wasm", id="docker's wasm"),
        pytest.param("linux/s390", "linux/s390", id="the mainframe's 31 bits"),
        pytest.param("linux/mips64el", "linux/mips64el", id="debian's mips"),
        pytest.param("linux/loongarch64", "linux/loongarch64", id="uname's loongson"),
        pytest.param("linux/z80", "linux/z80", id="an architecture that nobody knows"),
        pytest.param("templeos/amd64", "templeos/amd64", id="a system that nobody knows"),
        pytest.param("linux/unknown", "linux/unknown", id="unknown architecture"),
        pytest.param(
            "windows(10.0.17763.5458)/amd64", "windows(10.0.17763.5458)/amd64", id="a version"
        ),
        pytest.param("Windows(LTSC)/x86_64", "windows(ltsc)/amd64", id="a version in capitals"),
        pytest.param("windows(10.0)/arm", "windows(10.0)/arm/v7", id="a version on arm"),
        pytest.param("arm64/v8.0", "linux/arm64", id="arm64's baseline, with its minor"),
        pytest.param("linux/arm64/8.0", "linux/arm64", id="arm64's baseline, a number"),
        pytest.param("linux/arm64/v9.0", "linux/arm64/v9", id="arm64 v9 with its minor"),
        pytest.param("linux/arm64/9", "linux/arm64/v9", id="arm64 v9 in digits"),
        pytest.param("linux/arm64/v8.1", "linux/arm64/v8.1", id="arm64 v8.1"),
        pytest.param("Linux/ARM/V7", "linux/arm/v7", id="capitals"),
        pytest.param("X86_64", "linux/amd64", id="alias in capitals"),
        pytest.param("  linux/arm64\t", "linux/arm64", id="spaces around"),
    ],
)
def test_a_platform_has_one_normal_form(text: str, normal: str) -> None:
    assert str(Platform.parse(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("/", id="a slash"),
        pytest.param("//", id="two slashes"),
        pytest.param("linux", id="a system only"),
        pytest.param("macos", id="a system's alias only"),
        pytest.param("linux/", id="no architecture after the slash"),
        pytest.param("/amd64", id="no system before the slash"),
        pytest.param("linux//v7", id="nothing in the middle"),
        pytest.param("linux/arm/", id="no variant after the slash"),
        pytest.param("linux/arm64/v8/x", id="four parts"),
        pytest.param("arm64/v8/x", id="three parts from an architecture"),
        pytest.param("arm64/linux/v8", id="parts in another order"),
        pytest.param("amd46", id="misspelt"),
        pytest.param("linux/v7", id="variant without architecture"),
        pytest.param("lunix/amd64", id="misspelt system"),
        pytest.param("unknown", id="unknown"),
        pytest.param("unknown/unknown", id="what attestations say"),
        pytest.param("windows()/amd64", id="an empty version"),
        pytest.param("windows(10 0)/amd64", id="a space in the version"),
        pytest.param("windows(--all)/amd64", id="an option as version"),
        pytest.param("windows(10.0/amd64", id="a bracket left open"),
        pytest.param("windows/amd64(10.0)", id="a version behind"),
        pytest.param("(10.0)/amd64", id="a version of nothing"),
        pytest.param("windows(10.0)", id="a version and no architecture"),
        pytest.param("nosuch", id="a word that nobody knows, alone"),
        pytest.param("linux amd64", id="a space for the slash"),
        pytest.param("linux /amd64", id="a space within"),
        pytest.param("linux\\amd64", id="the other slash"),
        pytest.param("linux-amd64", id="a dash for the slash"),
        pytest.param("linux/amd64,linux/arm64", id="a list"),
        pytest.param("all", id="all is a choice, not a platform"),
        pytest.param("--all", id="an option"),
        pytest.param("linux/--all", id="an option as architecture"),
        pytest.param("linux/arm/--all", id="an option as variant"),
        pytest.param("linux/arm/\u0667", id="an arabic digit as variant"),
        pytest.param("linux/arm/v7\x00", id="NUL in the variant"),
        pytest.param("linux/arm/v 7", id="a space in the variant"),
        pytest.param("linux/amd64\x00", id="NUL"),
        pytest.param("linux/amd64\u200b", id="zero-width space"),
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("linux", "name the architecture too, as in 'linux/amd64'", id="system only"),
        pytest.param("macos", "name the architecture too, as in 'darwin/amd64'", id="alias only"),
        pytest.param("linux/amd46", "did you mean 'linux/amd64'?", id="misspelt"),
        pytest.param("amd46", "did you mean 'linux/amd64'?", id="misspelt, alone"),
        pytest.param("windows/amd46", "did you mean 'windows/amd64'?", id="misspelt, elsewhere"),
        pytest.param("linux/armv6", "did you mean 'linux/arm/v6'?", id="a swallowed variant"),
        pytest.param("armv7l", "did you mean 'linux/arm/v7'?", id="uname's armv7l"),
        pytest.param("linux/arm32v7", "did you mean 'linux/arm/v7'?", id="hub's old prefix of arm"),
        pytest.param("armv8", "did you mean 'linux/arm64/v8'?", id="64 bits from v8 on"),
        pytest.param("linux/amd64v3", "did you mean 'linux/amd64/v3'?", id="amd64's variant"),
        pytest.param("linux/arm64-v8", "did you mean 'linux/arm64/v8'?", id="a dash for the slash"),
        pytest.param("v6", "did you mean 'linux/arm/v6'?", id="a variant alone"),
        pytest.param("linux/x64", "did you mean 'linux/amd64'?", id="x64"),
        pytest.param("win/x86", "did you mean 'windows/386'?", id="short words"),
        pytest.param(
            "amd64/linux", "the system comes first: 'linux/amd64'", id="the wrong way round"
        ),
        pytest.param(
            "wasm/wasi", "the system comes first: 'wasi/wasm'", id="the wrong way round, wasm"
        ),
        pytest.param("lunix/amd64", "did you mean 'linux/amd64'?", id="misspelt system"),
        pytest.param("linux/arm64v8", "did you mean 'linux/arm64/v8'?", id="hub's old prefix"),
        pytest.param("arm64v8", "did you mean 'linux/arm64/v8'?", id="hub's prefix, alone"),
        pytest.param("ppc64el", "did you mean 'linux/ppc64le'?", id="debian's power"),
        pytest.param("all", "write it as 'linux/arm64' or 'linux/arm/v7'", id="all"),
        pytest.param("linux/v7", "did you mean 'linux/arm/v7'?", id="variant"),
        pytest.param(
            "linux/\x1b[31m", "write it as 'linux/arm64' or 'linux/arm/v7'", id="nothing near"
        ),
        pytest.param("linux//v7", "write it as 'linux/arm64' or 'linux/arm/v7'", id="empty part"),
        pytest.param("a/b/c/d", "write it as 'linux/arm64' or 'linux/arm/v7'", id="four parts"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(FormatError) as refused:
        Platform.parse(text)
    assert refused.value.message == f"'{text}' is not a platform"
    assert refused.value.hint == hint
    for proposed in re.findall(r"'([^']+)'", hint):
        assert str(Platform.parse(proposed))


def test_a_refusal_does_not_repeat_an_endless_text() -> None:
    with pytest.raises(FormatError) as refused:
        Platform.parse("x" * 4000)
    assert refused.value.message == f"'{'x' * 97}...' is not a platform"


@pytest.mark.parametrize(
    ("os", "architecture", "variant", "normal"),
    [
        pytest.param("linux", "arm", "", "linux/arm", id="arm without a variant keeps none"),
        pytest.param("linux", "arm64", "v8", "linux/arm64", id="arm64's baseline"),
        pytest.param("Linux", "AMD64", "", "linux/amd64", id="capitals"),
        pytest.param("linux", "x86_64", "", "linux/amd64", id="alias"),
        pytest.param("linux", "armhf", "", "linux/arm/v7", id="alias with a variant"),
        pytest.param("linux", "arm", "7", "linux/arm/v7", id="digits"),
        pytest.param("unknown", "unknown", "", "unknown/unknown", id="attestation"),
        pytest.param("plan10", "z80", "v0", "plan10/z80/v0", id="nothing is refused"),
        pytest.param("linux", "armv7l", "", "linux/arm/v7", id="uname's words"),
        pytest.param("linux", "arm64v8", "", "linux/arm64", id="hub's old prefix"),
        pytest.param("linux", "arm64", "v8.0", "linux/arm64", id="a minor version"),
    ],
)
def test_what_a_manifest_says_is_normalised_and_never_refused(
    os: str, architecture: str, variant: str, normal: str
) -> None:
    assert str(Platform.normal(os, architecture, variant)) == normal


@pytest.mark.parametrize(
    ("wanted", "variants"),
    [
        pytest.param(Platform("linux", "arm", "v8"), ("v8", "v7", "v6", "v5", ""), id="arm v8"),
        pytest.param(Platform("linux", "arm", "v7"), ("v7", "v6", "v5", ""), id="arm v7"),
        pytest.param(Platform("linux", "arm", "v6"), ("v6", "v5", ""), id="arm v6"),
        pytest.param(Platform("linux", "arm", "v5"), ("v5", ""), id="arm v5"),
        pytest.param(Platform("linux", "arm"), ("", "v8", "v7", "v6", "v5"), id="arm of any"),
        pytest.param(Platform("linux", "arm", "v9"), ("v9", ""), id="arm of an unknown variant"),
        pytest.param(Platform("linux", "arm64"), ("", "v8"), id="arm64"),
        pytest.param(Platform("linux", "arm64", "v9"), ("v9", ""), id="arm64 v9"),
        pytest.param(Platform("linux", "amd64"), ("",), id="amd64"),
        pytest.param(Platform("linux", "amd64", "v3"), ("v3", ""), id="amd64 v3"),
    ],
)
def test_variants_are_tried_from_the_wanted_one_down_then_none(
    wanted: Platform, variants: tuple[str, ...]
) -> None:
    assert wanted.served_by == variants


@pytest.mark.parametrize(
    ("wanted", "offered", "serves"),
    [
        pytest.param("linux/arm/v7", "linux/arm/v7", True, id="the same"),
        pytest.param("linux/arm/v7", "linux/arm/v6", True, id="v6 runs on v7"),
        pytest.param("linux/arm/v7", "linux/arm/v5", True, id="v5 runs on v7"),
        pytest.param("linux/arm/v6", "linux/arm/v7", False, id="v7 does not run on v6"),
        pytest.param("linux/arm64", "linux/arm64/v8", True, id="arm64 and v8"),
        pytest.param("linux/arm64", "linux/arm/v7", False, id="another architecture"),
        pytest.param("linux/amd64", "linux/amd64/v3", False, id="a better amd64"),
        pytest.param("linux/amd64/v4", "linux/amd64", True, id="plain amd64 for v4"),
        pytest.param("linux/amd64/v4", "linux/amd64/v3", False, id="v3 for v4"),
        pytest.param("linux/amd64", "windows/amd64", False, id="another system"),
    ],
)
def test_a_platform_is_served_as_skopeo_serves_it(wanted: str, offered: str, serves: bool) -> None:
    assert Platform.parse(wanted).is_served_by(Platform.parse(offered)) is serves


def test_arm_without_a_variant_serves_any_arm() -> None:
    assert Platform.parse("linux/arm/v6").is_served_by(Platform.normal("linux", "arm"))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("all", "all", id="all"),
        pytest.param(" ALL ", "all", id="all in capitals"),
        pytest.param("arm64", "linux/arm64", id="one"),
        pytest.param("linux/arm64,amd64", "linux/arm64,linux/amd64", id="two, in their order"),
        pytest.param("linux/amd64, arm", "linux/amd64,linux/arm/v7", id="a space after the comma"),
        pytest.param("arm64,arm64/v8,aarch64", "linux/arm64", id="one in three spellings"),
    ],
)
def test_a_choice_is_all_or_one_or_several(text: str, normal: str) -> None:
    assert str(PlatformChoice.parse(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(",", id="a comma"),
        pytest.param("linux/amd64,", id="nothing after the comma"),
        pytest.param("all,linux/amd64", id="all and another"),
        pytest.param("linux/amd64;linux/arm64", id="semicolon"),
        pytest.param("linux/amd64,amd46", id="one is misspelt"),
    ],
)
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        PlatformChoice.parse(text)


@pytest.mark.parametrize(
    ("text", "is_all", "single"),
    [
        pytest.param("all", True, None, id="all"),
        pytest.param("arm64", False, Platform("linux", "arm64"), id="one"),
        pytest.param("arm64,aarch64", False, Platform("linux", "arm64"), id="one, twice"),
        pytest.param("arm64,amd64", False, None, id="two"),
    ],
)
def test_a_choice_knows_whether_its_copy_is_an_index(
    text: str, is_all: bool, single: Platform | None
) -> None:
    choice = PlatformChoice.parse(text)
    assert (choice.is_all, choice.single) == (is_all, single)


@given(st.text() | WORDS)
@example("/" * 5000)
def test_any_text_is_a_platform_or_a_format_error(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except FormatError:
        return
    assert Platform.parse(str(platform)) == platform


@given(
    st.sampled_from("linux windows wasi plan10 Linux unknown 386".split()) | ODD,
    st.sampled_from("amd64 s390 mips64el armv7l arm64 amd46 wasm x64".split()) | ODD,
    st.sampled_from(["", "v8", "v7", "v8.0", "linux"]) | ODD,
    st.sampled_from(["", "10.0.17763.5458", "LTSC"]) | ODD,
)
def test_what_an_index_holds_can_be_asked_for_as_it_is_shown(
    os: str, architecture: str, variant: str, version: str
) -> None:
    offered = Platform.normal(os, architecture, variant, version)
    if not offered.is_writable:
        return
    wanted = Platform.parse(str(offered))
    assert wanted.is_served_by(offered)
    assert Platform.shown(str(offered)) == offered


@given(st.text(), st.text(), st.text())
def test_whatever_a_manifest_says_its_normal_form_is_stable(
    os: str, architecture: str, variant: str
) -> None:
    platform = Platform.normal(os, architecture, variant)
    assert Platform.normal(platform.os, platform.architecture, platform.variant) == platform


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        (Platform("linux", "amd64"), "linux/amd64"),
        (Platform("linux", "arm", "v7"), "linux/arm/v7"),
        (Platform("windows", "amd64", "", "10.0.1"), "windows(10.0.1)/amd64"),
        (Platform("", ""), "/"),
    ],
)
def test_what_is_shown_is_read_again(platform: Platform, text: str) -> None:
    assert str(platform) == text
    again = Platform.shown(text)
    assert again == platform


@pytest.mark.parametrize(
    ("wanted", "offered", "serves"),
    [
        pytest.param("windows/amd64", "windows(10.0.1)/amd64", True, id="no version is any"),
        pytest.param("windows(10.0.1)/amd64", "windows(10.0.1)/amd64", True, id="the same"),
        pytest.param("windows(10.0.1)/amd64", "windows(10.0.2)/amd64", False, id="another"),
        pytest.param("windows(10.0.1)/amd64", "windows(10.0.1.7)/amd64", True, id="an update"),
        pytest.param("windows(10.0.1)/amd64", "windows(10.0.17)/amd64", False, id="more digits"),
        pytest.param("windows(10.0.1)/amd64", "windows/amd64", False, id="none is told"),
    ],
)
def test_a_version_of_windows_is_served_by_itself_and_its_updates(
    wanted: str, offered: str, serves: bool
) -> None:
    assert Platform.parse(wanted).is_served_by(Platform.shown(offered)) is serves


@pytest.mark.parametrize(
    ("choice", "delivered", "expected"),
    [
        ("linux/amd64,linux/arm64?", "linux/amd64,linux/arm64", []),
        ("linux/amd64,linux/arm64?", "linux/amd64", ["linux/arm64"]),
        ("linux/amd64,linux/arm/v7?", "linux/amd64,linux/arm/v6", []),
        ("linux/amd64,linux/arm/v6?", "linux/amd64,linux/arm/v7", ["linux/arm/v6"]),
        ("windows/amd64?,linux/amd64", "windows(10.0.1)/amd64,linux/amd64", []),
        ("linux/amd64", "linux/amd64", []),
        ("all", "all", []),
    ],
)
def test_what_may_be_missing_is_left_out_where_nothing_serves_it(
    choice: str, delivered: str, expected: list[str]
) -> None:
    found = PlatformChoice.parse(choice).left_out_of(delivered)
    assert list(map(str, found)) == expected


@pytest.mark.parametrize("version", ["10,0", "10)/x", "1" * 99, "10 0", "\x1b[2J"])
def test_a_version_that_would_not_be_read_again_is_not_kept(version: str) -> None:
    assert str(Platform.normal("windows", "amd64", "", version)) == "windows/amd64"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("x" * 100, "x" * 100, id="a hundred characters"),
        pytest.param("x" * 101, "x" * 97 + "...", id="one more"),
    ],
)
def test_a_long_text_is_cut_where_it_is_quoted(text: str, shown: str) -> None:
    with pytest.raises(FormatError) as refused:
        Platform.parse(text)
    assert refused.value.message == f"'{shown}' is not a platform"


@pytest.mark.parametrize(
    ("wanted", "best", "next_best"),
    [
        pytest.param(
            "windows(10.0.1)/amd64",
            "windows(10.0.1)/amd64",
            "windows(10.0.1.7)/amd64",
            id="version",
        ),
        pytest.param("linux/arm/v7", "linux/arm/v7", "linux/arm/v6", id="variant"),
    ],
)
def test_what_was_asked_for_is_better_than_what_serves_it(
    wanted: str, best: str, next_best: str
) -> None:
    platform = Platform.parse(wanted)
    ranks = [platform.rank_of(Platform.shown(one)) for one in (best, next_best)]
    assert ranks[0] < ranks[1]


def test_no_version_is_better_than_another_where_none_is_asked_for() -> None:
    wanted = Platform.parse("windows/amd64")
    ranks = {
        wanted.rank_of(Platform.shown(f"windows({one})/amd64")) for one in ("10.0.1", "10.0.2")
    }
    assert len(ranks) == 1


@pytest.mark.parametrize("text", ["linux/amd64?", "arm64?,linux/arm64/v8?", "amd64,amd64?"])
def test_one_platform_that_may_be_missing_would_leave_nothing(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        PlatformChoice.parse(text)
    assert refused.value.message == f"'{text}' would leave nothing"
    assert refused.value.hint == "a question mark goes behind one of several"


@pytest.mark.parametrize("text", ["v7/x", "armv7/x"])
def test_what_is_meant_as_an_architecture_is_no_system(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        Platform.parse(text)
    assert refused.value.hint == "did you mean 'linux/arm/v7'?"
