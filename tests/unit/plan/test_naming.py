"""Names: the contract's table, each registry's rules, and that nothing lands elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.targets import (
    ALIYUN_PERSONAL,
    CCR,
    GHCR,
    SWR,
    Limits,
    Target,
    aliyun_profile,
    check_naming,
)
from orchestrator.errors import FormatError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.naming import destination_of

HEX = "0123456789abcdef" * 4
ALIYUN = Target("aliyun", "registry.cn-hangzhou.aliyuncs.com", "mirrors", profile=ALIYUN_PERSONAL)
MIRROR = Target("mirror", "mirror.example:5000", "lab")
GITHUB = Target("ghcr", "ghcr.io", "octocat", profile=GHCR)
NESTED = Target("deep", "mirror.example:5000", "lab", naming="nested")
PACKED = replace(ALIYUN, naming="packed")

REFERENCES = st.from_regex(
    r"(?:(?:[a-z0-9]{1,5}(?:-[a-z0-9]{1,3})?\.){1,3}[a-z]{2,4}(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]{1,8}(?:(?:_{1,2}|-{1,3}|/)[a-z0-9]{1,8}){0,5}(?:/[a-z0-9]{1,4}\.[a-z0-9]{1,4})?"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,30})?(?:@sha256:[0-9a-f]{64})?",
    fullmatch=True,
)
PLATFORMS = st.sampled_from(
    ["", "all", "arm64", "arm", "linux/amd64/v3", "windows/amd64", "arm64,amd64"]
)


def destination(image: str, target: Target = MIRROR, *, platform: str = "", name: str = "") -> str:
    choice = PlatformChoice.parse(platform) if platform else None
    return str(destination_of(Reference.parse(image), target, platform=choice, name=name))


@pytest.mark.parametrize(
    ("image", "platform", "name"),
    [
        pytest.param("redis", "", "redis:latest", id="official"),
        pytest.param("docker.io/library/redis", "", "redis:latest", id="official in full"),
        pytest.param("index.docker.io/redis:latest", "", "redis:latest", id="official, old host"),
        pytest.param("bitnami/redis:7", "", "bitnami_redis:7", id="user"),
        pytest.param("quay.io/coreos/etcd:v3.5.0", "", "quay-io_coreos_etcd:v3.5.0", id="registry"),
        pytest.param(
            "gcr.io/google_containers/pause:3.9",
            "",
            "gcr-io_google_containers_pause:3.9",
            id="underscores",
        ),
        pytest.param(
            "192.168.1.100:5000/my-app", "", "192-168-1-100-5000_my-app:latest", id="ip and port"
        ),
        pytest.param("mysql:8.0", "linux/arm64", "linux_arm64_mysql:8.0", id="arm64"),
        pytest.param("redis:7", "linux/arm/v7", "linux_arm_v7_redis:7", id="arm v7"),
        pytest.param("redis:7", "armhf", "linux_arm_v7_redis:7", id="alias"),
        pytest.param("redis:7", "linux/arm64/v8", "linux_arm64_redis:7", id="arm64 v8"),
        pytest.param("redis:7", "linux/amd64", "linux_amd64_redis:7", id="amd64, written"),
        pytest.param(
            "iis:1",
            "windows(10.0.17763.5458)/amd64",
            "windows-10.0.17763.5458_amd64_iis:1",
            id="a version of Windows",
        ),
        pytest.param("redis:7", "all", "redis:7", id="all"),
        pytest.param("redis:7", "amd64,arm64", "redis:7", id="several"),
        pytest.param("redis:7", "arm64,arm64/v8", "linux_arm64_redis:7", id="several of one"),
        pytest.param(f"busybox@sha256:{HEX}", "", "busybox:sha256-0123456789ab", id="pinned"),
        pytest.param(
            f"ghcr.io/foo/bar:1.2@sha256:{HEX}", "", "ghcr-io_foo_bar:1.2", id="tag and digest"
        ),
        pytest.param("redis:7-Alpine_3", "", "redis:7-Alpine_3", id="tag keeps its case"),
        pytest.param("a__b/c.d--e", "", "a__b_c.d--e:latest", id="odd separators"),
        pytest.param("localhost/foo", "", "localhost_foo:latest", id="localhost"),
        pytest.param("LOCALHOST:5000/foo", "", "localhost-5000_foo:latest", id="host in capitals"),
        pytest.param("a/b/c/d/e:1", "", "a_b_c_d_e:1", id="deep"),
        pytest.param("library/a/b:1", "", "library_a_b:1", id="library, and deeper"),
        pytest.param("quay.io/library/redis:7", "", "quay-io_library_redis:7", id="library there"),
        pytest.param(
            "quay.io/coreos/etcd:1", "arm64", "linux_arm64_quay-io_coreos_etcd:1", id="everything"
        ),
    ],
)
def test_a_flat_name_is_the_one_these_lists_always_had(
    image: str, platform: str, name: str
) -> None:
    assert destination(image, platform=platform) == f"mirror.example:5000/lab/{name}"
    assert destination(image, ALIYUN, platform=platform) == f"{ALIYUN.base}/{name}"


@pytest.mark.parametrize(
    ("image", "platform", "name"),
    [
        pytest.param("redis", "", "redis:latest", id="official"),
        pytest.param("bitnami/redis:7", "", "bitnami/redis:7", id="user"),
        pytest.param("quay.io/coreos/etcd:v1", "", "quay.io/coreos/etcd:v1", id="registry"),
        pytest.param("host:5000/a/b:1", "", "host-5000/a/b:1", id="port"),
        pytest.param("mysql:8", "arm64", "linux_arm64/mysql:8", id="platform"),
        pytest.param("mysql:8", "all", "mysql:8", id="all"),
    ],
)
def test_a_nested_name_keeps_the_path(image: str, platform: str, name: str) -> None:
    found = destination(image, NESTED, platform=platform)
    assert found == f"mirror.example:5000/lab/{name}"


@pytest.mark.parametrize(
    ("image", "platform", "name"),
    [
        pytest.param("redis", "", "library:redis..latest", id="official"),
        pytest.param("bitnami/redis:7", "", "hub:bitnami_redis..7", id="user"),
        pytest.param("library/a/b:7", "", "hub:library_a_b..7", id="library, and deeper"),
        pytest.param(
            "quay.io/coreos/etcd:v3.5.0", "", "mirror:quay.io_coreos_etcd..v3.5.0", id="registry"
        ),
        pytest.param("host:5000/a__b/c_d:1", "", "mirror:host.-5000_a.__b_c._d..1", id="escaped"),
        pytest.param("mysql:8.0", "arm64", "library:mysql..8.0..linux_arm64", id="platform"),
        pytest.param("mysql:8.0", "all", "library:mysql..8.0", id="all"),
        pytest.param("mysql:8.0", "amd64,arm64", "library:mysql..8.0", id="several"),
        pytest.param(f"busybox@sha256:{HEX}", "", f"library:busybox...sha256-{HEX}", id="pinned"),
        pytest.param(f"a/b:1.2@sha256:{HEX}", "", "hub:a_b..1.2", id="tag and digest"),
        pytest.param(
            "redis:7..8",
            "",
            "library:redis..7..8...aa",
            id="dots in a tag",
        ),
    ],
)
def test_a_packed_name_is_a_tag_of_one_of_three_repositories(
    image: str, platform: str, name: str
) -> None:
    hashed = re.compile(r"(?<=\.\.\.)[0-9a-f]{32}$")
    found = hashed.sub("aa", destination(image, PACKED, platform=platform))
    assert found == f"{ALIYUN.base}/{name}"


def test_a_packed_name_that_grows_too_long_ends_in_a_hash() -> None:
    path = "/".join(["quay.io", "team", "n" * 100, "m" * 100])
    first, second = (destination(f"{path}:{tag}", PACKED).rpartition(":")[2] for tag in "12")
    assert first.startswith("quay.io_team_nnn")
    assert len(first) == len(second) == 128
    assert first != second


def test_a_name_of_the_users_own_is_no_tag_of_a_packed_repository() -> None:
    assert destination("redis:7", PACKED, name="cache:hot") == f"{ALIYUN.base}/cache:hot"


@pytest.mark.parametrize(
    ("template", "platform", "name"),
    [
        pytest.param("{name}", "", "etcd:V1", id="name"),
        pytest.param("{repository}", "", "coreos/etcd:V1", id="repository"),
        pytest.param("{registry}/{repository}", "", "quay.io/coreos/etcd:V1", id="as nested"),
        pytest.param("x/{name}-{tag}", "", "x/etcd-v1:V1", id="tag in lower case"),
        pytest.param("{platform}/{name}", "arm/v7", "linux-arm-v7/etcd:V1", id="platform"),
        pytest.param("{platform}/{name}", "all", "all/etcd:V1", id="all"),
        pytest.param("{platform}/{name}", "", "default/etcd:V1", id="no platform"),
        pytest.param(
            "{platform}/{name}", "amd64,arm64?", "linux-amd64-linux-arm64/etcd:V1", id="?"
        ),
        pytest.param(
            "{platform}/{name}",
            "windows(10.0.1)/amd64",
            "windows-10.0.1-amd64/etcd:V1",
            id="version",
        ),
        pytest.param(
            "{platform}/{name}", "amd64,arm64", "linux-amd64-linux-arm64/etcd:V1", id="several"
        ),
    ],
)
def test_a_template_says_the_name_piece_by_piece(template: str, platform: str, name: str) -> None:
    target = Target("mirror", "mirror.example:5000", "lab", naming=template)
    found = destination("quay.io/coreos/etcd:V1", target, platform=platform)
    assert found == f"mirror.example:5000/lab/{name}"


@pytest.mark.parametrize(
    ("image", "name", "found"),
    [
        pytest.param("redis:7", "cached-redis:latest", "cached-redis:latest", id="with a tag"),
        pytest.param("redis:7", "cached-redis", "cached-redis:7", id="keeps the source's tag"),
        pytest.param(
            f"redis@sha256:{HEX}", "cached", "cached:sha256-0123456789ab", id="pinned, no tag"
        ),
        pytest.param("redis:7", "team/redis", "team/redis:7", id="with a slash"),
        pytest.param("redis:7", "redis:Seven", "redis:Seven", id="tag in capitals"),
    ],
)
def test_a_name_of_the_users_own_sets_repository_and_tag(image: str, name: str, found: str) -> None:
    assert destination(image, name=name, platform="arm64") == f"mirror.example:5000/lab/{found}"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("redis:", id="empty tag"),
        pytest.param(":7", id="empty repository"),
        pytest.param("a:b:c", id="two colons"),
        pytest.param("a@b", id="at"),
        pytest.param(f"a@sha256:{HEX}", id="digest"),
        pytest.param("/etc", id="leading slash"),
        pytest.param("../other/redis", id="out of the namespace"),
        pytest.param("a/../../other/redis", id="out of the namespace, later"),
        pytest.param("quay.io:5000/x", id="a registry and port"),
        pytest.param("docker://x", id="a transport"),
        pytest.param("-x", id="option"),
        pytest.param("--dest-creds=x", id="long option"),
        pytest.param("Redis", id="capitals"),
        pytest.param("a b", id="space"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("a\u202eb", id="bidi override"),
        pytest.param("a___b", id="three underscores"),
        pytest.param(f"a:{'t' * 129}", id="129 of tag"),
        pytest.param("n" * 256, id="256 of name"),
    ],
)
def test_a_name_that_breaks_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        destination("redis:7", name=name)


def test_a_refused_name_says_what_a_name_is() -> None:
    with pytest.raises(FormatError) as refused:
        destination("redis:7", name="a___b")
    assert refused.value.message == (
        "the destination 'mirror.example:5000/lab/a___b:7' is no valid name"
    )
    assert refused.value.hint == "write --name=a_b"


@pytest.mark.parametrize(
    ("length", "fits"),
    [pytest.param(255, True, id="255"), pytest.param(256, False, id="256")],
)
def test_host_and_name_together_have_255_characters_at_most(length: int, fits: bool) -> None:
    name = "n" * (length - len("mirror.example:5000/lab/"))
    if fits:
        assert destination("redis:7", name=name).endswith("n:7")
        return
    with pytest.raises(FormatError) as refused:
        destination("redis:7", name=name)
    assert refused.value.message == (
        f"the name 'mirror.example:5000/lab/{'n' * 36}...' has 256 characters, 255 at most"
    )
    assert refused.value.hint == "give the image a shorter one with --name"


def test_a_flat_name_that_grows_too_long_asks_for_another() -> None:
    with pytest.raises(FormatError) as refused:
        destination(f"quay.io/{'n' * 250}:1")
    assert refused.value.hint == "give the image a shorter one with --name"


def test_one_level_registries_refuse_a_slash_and_say_what_to_write() -> None:
    with pytest.raises(FormatError) as refused:
        destination("redis:7", ALIYUN, name="team/redis")
    assert refused.value.message == (
        "'team/redis' has a slash, and aliyun takes names of one level only"
    )
    assert refused.value.hint == "write --name=team_redis"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("A/B", id="capitals and a slash"),
        pytest.param("team/redis:7", id="a slash, and a tag"),
        pytest.param("Redis:Seven", id="capitals"),
        pytest.param("a___b", id="three underscores"),
        pytest.param("a_.b..c--d__e", id="mixed separators"),
        pytest.param("-x", id="option"),
        pytest.param("a b", id="space"),
        pytest.param("/etc/", id="slashes around"),
        pytest.param("../other/redis:1", id="upwards"),
        pytest.param("redis:", id="empty tag"),
        pytest.param(":7", id="empty repository"),
        pytest.param(f"a:.{'t' * 140}", id="140 of tag"),
        pytest.param("a/b@c", id="at"),
        pytest.param(f"Team/a@sha256:{HEX}", id="digest"),
        pytest.param("quay.io:5000/x", id="a registry and port"),
        pytest.param("docker://x", id="a transport"),
        pytest.param("r\u00e9dis", id="accent"),
        pytest.param("\u00e9", id="nothing is left"),
        pytest.param("{base}/redis:7", id="the whole destination"),
        pytest.param("{base}/a/b", id="the whole destination, two levels"),
    ],
)
@pytest.mark.parametrize("naming", ["flat", "nested"])
def test_a_refused_name_is_mended_by_its_hint(name: str, naming: str) -> None:
    target = replace(ALIYUN, naming=naming)
    with pytest.raises(FormatError) as refused:
        destination("redis:7", target, name=name.format(base=target.base))
    assert "NAMING" not in refused.value.hint
    proposed = refused.value.hint.removeprefix("write --name=")
    assert destination("redis:7", target, name=proposed).startswith(f"{target.base}/")


@pytest.mark.parametrize("naming", ["nested", "{registry}/{name}"])
def test_a_derived_name_of_two_levels_has_two_ways_out(naming: str) -> None:
    target = replace(ALIYUN, naming=naming)
    with pytest.raises(FormatError) as refused:
        destination("quay.io/a/b:7", target)
    proposed = refused.value.hint.removeprefix("write --name=")
    name, _, otherwise = proposed.partition(", ")
    assert otherwise == "or name as 'flat' does"
    assert destination("quay.io/a/b:7", target, name=name) == f"{ALIYUN.base}/{name}:7"
    assert destination("quay.io/a/b:7", replace(target, naming="flat"))


def test_ghcr_takes_names_in_lower_case_and_tags_as_they_are() -> None:
    owned = Target("ghcr", "ghcr.io", "OctoCat", profile=GHCR)
    assert destination("redis:7", owned, name="Team/Redis:V7") == "ghcr.io/octocat/team/redis:V7"


@pytest.mark.parametrize(
    ("registry", "namespace", "base"),
    [
        pytest.param("ghcr.io", "octocat", "ghcr.io/octocat", id="one level"),
        pytest.param("ghcr.io", "a/b", "ghcr.io/a/b", id="two levels"),
        pytest.param("localhost:5000", "", "localhost:5000", id="none"),
        pytest.param("docker.io", "me", "docker.io/me", id="docker hub"),
        pytest.param("index.docker.io", "me", "docker.io/me", id="docker hub's index"),
        pytest.param("registry:5000", "lab", "registry:5000/lab", id="one word and a port"),
        pytest.param("Mirror.Example", "lab", "mirror.example/lab", id="host in capitals"),
    ],
)
def test_a_destination_starts_with_the_targets_base(
    registry: str, namespace: str, base: str
) -> None:
    assert destination("redis:7", Target("t", registry, namespace)) == f"{base}/redis:7"


@pytest.mark.parametrize(
    "registry", [pytest.param("registry", id="one word"), pytest.param("mirror", id="another")]
)
def test_a_registry_without_dot_or_port_is_refused_not_taken_for_a_user_of_docker_hub(
    registry: str,
) -> None:
    with pytest.raises(FormatError) as refused:
        destination("redis:7", Target("t", registry, "lab"))
    assert refused.value.message == (
        f"'{registry}' is read as a user of Docker Hub, not as a registry"
    )
    assert f"'{registry}:443'" in refused.value.hint


@pytest.mark.parametrize(
    "naming",
    [
        pytest.param("flat", id="flat"),
        pytest.param("nested", id="nested"),
        pytest.param("packed", id="packed"),
        pytest.param("{name}", id="one field"),
        pytest.param("x/{registry}/{repository}-{name}_{platform}.{tag}", id="every field"),
    ],
)
def test_a_known_way_of_naming_is_taken(naming: str) -> None:
    check_naming(naming)


@pytest.mark.parametrize(
    ("naming", "hint"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("falt", "did you mean 'flat'?", id="misspelt"),
        pytest.param("pack", "did you mean 'packed'?", id="cut short"),
        pytest.param("Nested", "did you mean 'nested'?", id="capitals"),
        pytest.param("{nmae}", "did you mean '{name}'?", id="misspelt field"),
        pytest.param("{}", "", id="unnamed field"),
        pytest.param("{0}", "", id="numbered field"),
        pytest.param("{name.__class__}", "", id="attribute"),
        pytest.param("{name[0]}", "", id="index"),
        pytest.param("{name!r}", "", id="conversion"),
        pytest.param("{name:>9999999999}", "", id="format rule"),
        pytest.param("{name:{tag}}", "", id="nested rule"),
        pytest.param("{name", "", id="left open"),
        pytest.param("name}", "", id="closed only"),
        pytest.param("{{name}}", "", id="escaped braces"),
        pytest.param("literal", "", id="no field"),
    ],
)
def test_an_unknown_way_of_naming_is_refused(naming: str, hint: str) -> None:
    with pytest.raises(FormatError) as refused:
        check_naming(naming)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("registry", "profile"),
    [
        pytest.param("registry.cn-hangzhou.aliyuncs.com", "aliyun", id="personal"),
        pytest.param("crpi-abc.cn-hangzhou.personal.cr.aliyuncs.com", "aliyun", id="new personal"),
        pytest.param(
            "acme-registry.cn-hangzhou.cr.aliyuncs.com", "aliyun-enterprise", id="enterprise"
        ),
        pytest.param(
            "ACME-registry.cn-hangzhou.cr.aliyuncs.com", "aliyun-enterprise", id="capitals"
        ),
        pytest.param("acme-registry-vpc.cn-beijing.cr.aliyuncs.com", "aliyun-enterprise", id="vpc"),
        pytest.param(
            "acme-registry.cn-hangzhou.cr.aliyuncs.com.evil.example", "aliyun", id="look-alike"
        ),
        pytest.param("mirror.example", "aliyun", id="a front of one's own"),
    ],
)
def test_aliyuns_editions_are_told_apart_by_host(registry: str, profile: str) -> None:
    assert aliyun_profile(registry).name == profile


def test_profiles_carry_each_registrys_own_rules() -> None:
    assert (ALIYUN_PERSONAL.is_one_level, ALIYUN_PERSONAL.refuses_attestations) == (True, True)
    assert (GHCR.lowers_names, SWR.wants_docker_types) == (True, True)
    assert ALIYUN_PERSONAL.limits == Limits(namespaces=3, repositories=300)
    assert GHCR.limits == Limits(layer_size=10 * 2**30)
    assert SWR.limits == Limits(namespaces=5, layers=20, layer_size=10 * 2**30)
    assert CCR.limits == Limits(namespaces=10)


def test_a_targets_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Target("t", "ghcr.io", password="hunter2"))


@given(REFERENCES, PLATFORMS)
def test_a_flat_destination_is_a_reference_of_the_target_or_a_format_error(
    image: str, platform: str
) -> None:
    choice = PlatformChoice.parse(platform) if platform else None
    source = Reference.parse(image)
    for target in (ALIYUN, MIRROR, GITHUB):
        try:
            found = destination_of(source, target, platform=choice)
        except FormatError:
            continue
        assert Reference.parse(str(found)) == found
        assert str(found).startswith(f"{target.base}/")
        assert "/" not in str(found).removeprefix(f"{target.base}/")


@given(st.text(alphabet="abC01._-:/@ \x00é", min_size=1))
def test_a_name_of_the_users_own_never_leaves_the_namespace(name: str) -> None:
    try:
        found = destination_of(Reference.parse("redis:7"), MIRROR, name=name)
    except FormatError:
        return
    assert str(found).startswith("mirror.example:5000/lab/")
    assert Reference.parse(str(found)) == found


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("---", "write --name=image", id="no letter"),
        pytest.param("---:1", "write --name=image:1", id="no letter, and a tag"),
        pytest.param("App-:1", "write --name=app:1", id="something is left, and a tag"),
    ],
)
def test_a_name_of_which_nothing_is_left_gets_one(name: str, hint: str) -> None:
    with pytest.raises(FormatError) as refused:
        destination("redis:7", name=name)
    assert refused.value.hint == hint


def unpacked(destination: str) -> tuple[str, str]:
    """The image and platform of a packed name that ends in no hash, by docs/list.md's rule."""
    _, _, rest = destination.rpartition("/")
    repository, _, packed = rest.partition(":")
    path, _, end = packed.partition("..")
    tag, _, platform = end.partition("..")
    path = re.sub(r"\._+|_|\.-", lambda m: {"_": "/", ".-": ":"}.get(m[0], m[0][1:]), path)
    of = {"library": "docker.io/library/", "hub": "docker.io/", "mirror": ""}[repository]
    version = f"@{tag[1:].replace('-', ':', 1)}" if tag.startswith(".") else f":{tag}"
    return f"{of}{path}{version}", platform


ANY_TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
NEAR = st.from_regex(
    r"(?:[ah](?:[.:]5)?/)?a(?:[._/-]a|__a){0,2}(?::[_a][._a-]{0,4})?", fullmatch=True
)
"""Names made of so few characters that any two are nearly the same."""


def packed_tag(image: Reference, platform: PlatformChoice | None) -> Reference:
    return destination_of(image, PACKED, platform=platform)


@given(REFERENCES, ANY_TAG, PLATFORMS)
def test_a_packed_name_says_what_it_was_made_of(image: str, tag: str, platform: str) -> None:
    choice = PlatformChoice.parse(platform) if platform else None
    source = Reference.parse(image)
    source = replace(source, tag=source.tag and tag)
    found = packed_tag(source, choice)
    assert Reference.parse(str(found)) == found
    if re.search(r"\.\.\.[0-9a-f]{32}$", str(found)):
        return
    written = str(choice.single).replace("/", "_") if choice and choice.single else ""
    named = source.by_tag if source.tag else source
    assert unpacked(str(found)) == (str(named), written)


@given(NEAR, NEAR, PLATFORMS, PLATFORMS)
def test_no_two_images_have_one_packed_name(
    first: str, second: str, platform: str, other: str
) -> None:
    pairs = [
        (Reference.parse(image), PlatformChoice.parse(text) if text else None)
        for image, text in ((first, platform), (second, other))
    ]
    singles = {(image, str(choice.single) if choice else "None") for image, choice in pairs}
    assert len({packed_tag(*pair) for pair in pairs}) == len(singles)


def test_nine_hundred_images_are_tags_of_three_repositories() -> None:
    paths = ("app{n}", "team/app_{n}", "quay.io/team/app-{n}")
    images = [f"{path.format(n=n)}:v{n}" for n in range(300) for path in paths]
    names = [destination(image, PACKED) for image in images]
    assert len(set(names)) == 900
    assert {name.rpartition(":")[0].rpartition("/")[2] for name in names} == {
        "library",
        "hub",
        "mirror",
    }
    assert [unpacked(name)[0] for name in names] == [str(Reference.parse(one)) for one in images]
