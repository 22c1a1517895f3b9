"""References: distribution's grammar, Docker's short forms, and what people paste."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import FormatError
from orchestrator.oci.reference import Digest, Reference, digest_of, parse_digest

HEX = "0123456789abcdef" * 4
DIGEST = Digest(f"sha256:{HEX}")
GRAMMAR = "[registry/]repository[:tag][@sha256:digest]"

WORDS = st.text(alphabet="abcAB01._-:/@#[]% \n\x00é\uff1a", max_size=40)
HOSTS = st.sampled_from(["", "quay.io/", "LOCALHOST:5000/", "index.docker.io/"])
PATHS = st.from_regex(
    r"[a-z0-9]{1,8}(?:(?:_{1,2}|-{1,3}|/)[a-z0-9]{1,8}){0,4}(?:/[a-z0-9]{1,4}\.[a-z0-9]{1,4})?",
    fullmatch=True,
)
"""No dot in the first component, which would make a host of it."""
TAGS = st.from_regex(r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,20})?", fullmatch=True)
DIGESTS = st.sampled_from(["", f"@{DIGEST}"])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("redis", "docker.io/library/redis:latest", id="official image"),
        pytest.param("redis:7", "docker.io/library/redis:7", id="official image and tag"),
        pytest.param("library/redis", "docker.io/library/redis:latest", id="library"),
        pytest.param("bitnami/redis:7", "docker.io/bitnami/redis:7", id="user image"),
        pytest.param("docker.io/redis", "docker.io/library/redis:latest", id="hub"),
        pytest.param("index.docker.io/redis", "docker.io/library/redis:latest", id="hub's index"),
        pytest.param(
            "registry-1.docker.io/a/b", "docker.io/a/b:latest", id="the host that hub answers from"
        ),
        pytest.param("Docker.IO/redis", "docker.io/library/redis:latest", id="hub in capitals"),
        pytest.param("docker.io/library", "docker.io/library/library:latest", id="named library"),
        pytest.param(
            "quay.io/coreos/etcd:v3.5.0", "quay.io/coreos/etcd:v3.5.0", id="another registry"
        ),
        pytest.param("Quay.IO/coreos/etcd:V3", "quay.io/coreos/etcd:V3", id="host in capitals"),
        pytest.param("192.168.1.100:5000/my-app", "192.168.1.100:5000/my-app:latest", id="ip"),
        pytest.param("host:5000/a/b/c:1", "host:5000/a/b/c:1", id="port alone makes a host"),
        pytest.param("localhost/foo", "localhost/foo:latest", id="localhost without a port"),
        pytest.param("LOCALHOST:5000/foo", "localhost:5000/foo:latest", id="LOCALHOST"),
        pytest.param(
            "localhost:5000", "docker.io/library/localhost:5000", id="a tag that looks like a port"
        ),
        pytest.param("foo.com", "docker.io/library/foo.com:latest", id="a name that looks a host"),
        pytest.param("foo.com:80", "docker.io/library/foo.com:80", id="no slash, no host"),
        pytest.param("my_host/foo", "docker.io/my_host/foo:latest", id="underscore is no host"),
        pytest.param("xn--bcher-kva.example/a", "xn--bcher-kva.example/a:latest", id="punycode"),
        pytest.param("a__b", "docker.io/library/a__b:latest", id="two underscores"),
        pytest.param("a.b-c_d", "docker.io/library/a.b-c_d:latest", id="every separator"),
        pytest.param("a---b", "docker.io/library/a---b:latest", id="any number of dashes"),
        pytest.param("0/1", "docker.io/0/1:latest", id="digits only"),
        pytest.param("a:_x", "docker.io/library/a:_x", id="tag from an underscore"),
        pytest.param("a:A.b-C_1", "docker.io/library/a:A.b-C_1", id="tag keeps its case"),
        pytest.param("a:1e5", "docker.io/library/a:1e5", id="tag that looks like a number"),
        pytest.param(f"a:{'t' * 128}", f"docker.io/library/a:{'t' * 128}", id="128 of tag"),
        pytest.param(f"q.io/{'n' * 255}", f"q.io/{'n' * 255}:latest", id="255 of name"),
        pytest.param(f"a@{DIGEST}", f"docker.io/library/a@{DIGEST}", id="digest, no tag"),
        pytest.param(
            f"ghcr.io/foo/bar:1.2@{DIGEST}", f"ghcr.io/foo/bar:1.2@{DIGEST}", id="tag and digest"
        ),
        pytest.param(f"{HEX}/a", f"docker.io/{HEX}/a:latest", id="a user of 64 digits"),
        pytest.param("\u3000redis \n", "docker.io/library/redis:latest", id="blanks around"),
        pytest.param("redis\xa0", "docker.io/library/redis:latest", id="a no-break space behind"),
        pytest.param(
            "registry.hub.docker.com/library/a:1", "docker.io/library/a:1", id="hub's other host"
        ),
        pytest.param("hub.docker.com/r/x/y", "docker.io/x/y:latest", id="hub's page"),
        pytest.param("hub.docker.com/_/x:1", "docker.io/library/x:1", id="hub's page and a tag"),
        pytest.param("hub.docker.com/_/x/tags?page=1", "docker.io/library/x:latest", id="its tags"),
        pytest.param(
            "hub.docker.com/layers/x/y/1.2/images/sha256-0", "docker.io/x/y:1.2", id="its layers"
        ),
        pytest.param("ghcr.io/o/app:1.2.3+up4", "ghcr.io/o/app:1.2.3_up4", id="helm's version"),
        pytest.param(f"a:1+b+c@{DIGEST}", f"docker.io/library/a:1_b_c@{DIGEST}", id="helm, pinned"),
        pytest.param("docker-daemon:a", "docker.io/library/docker-daemon:a", id="no transport"),
    ],
)
def test_a_reference_has_one_normal_form(text: str, normal: str) -> None:
    assert str(Reference.parse(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="a space"),
        pytest.param("a b", id="a space within"),
        pytest.param("re\x00dis", id="NUL"),
        pytest.param("redis\x1b[31m", id="escape sequence"),
        pytest.param("redis\u202etxt", id="bidi override"),
        pytest.param("redis\u2066x", id="bidi isolate"),
        pytest.param("re\u200bdis", id="zero-width space"),
        pytest.param("re\u200ddis", id="zero-width joiner"),
        pytest.param("\ufeffredis", id="byte order mark"),
        pytest.param("rédis", id="accent"),
        pytest.param("r\u0435dis", id="cyrillic e"),
        pytest.param("redis:\uff17", id="full-width tag"),
        pytest.param("doc\u212aer.io/redis", id="the kelvin sign, whose lower case is k"),
        pytest.param("re\xaddis", id="soft hyphen"),
        pytest.param("redis\udcff", id="a byte that is no UTF-8"),
        pytest.param("docker://redis", id="skopeo's transport"),
        pytest.param("https://quay.io/a/b", id="https"),
        pytest.param("oci-archive:/tmp/x", id="a path"),
        pytest.param("-x", id="option"),
        pytest.param("--authfile=x", id="long option"),
        pytest.param("a/-x", id="option in a component"),
        pytest.param("a:-x", id="option as a tag"),
        pytest.param("a:.x", id="tag from a dot"),
        pytest.param("a:", id="no tag after the colon"),
        pytest.param("a@", id="no digest after the at"),
        pytest.param(":latest", id="no name before a tag"),
        pytest.param(f"@{DIGEST}", id="no name before a digest"),
        pytest.param("/a", id="leading slash"),
        pytest.param("a/", id="trailing slash"),
        pytest.param("a//b", id="empty component"),
        pytest.param("../a", id="upwards"),
        pytest.param("a/../b", id="upwards within"),
        pytest.param("a___b", id="three underscores"),
        pytest.param("a..b", id="two dots"),
        pytest.param("a_.b", id="mixed separators"),
        pytest.param("_a", id="leading separator"),
        pytest.param("a-", id="trailing separator"),
        pytest.param("a:b:c", id="two tags"),
        pytest.param("Redis", id="capital in a name"),
        pytest.param("Foo/bar", id="capital in a user"),
        pytest.param("quay.io/Foo/bar", id="capital below a host"),
        pytest.param("host:port/a", id="port in letters"),
        pytest.param("host.io:/a", id="empty port"),
        pytest.param("my_host.io/a", id="underscore in a host"),
        pytest.param("-host.io/a", id="host from a dash"),
        pytest.param("[::1]/foo", id="ipv6"),
        pytest.param("[2001:DB8::1]:443/foo", id="ipv6 and port"),
        pytest.param("a+b:1", id="a plus in the name"),
        pytest.param("hub.docker.com/x/y", id="hub's page for a host"),
        pytest.param("re dis", id="a blank within"),
        pytest.param("[fe80::1%eth0]:5000/a", id="ipv6 zone"),
        pytest.param("[::1/a", id="bracket left open"),
        pytest.param("::1/a", id="ipv6 without brackets"),
        pytest.param(f"a:{'t' * 129}", id="129 of tag"),
        pytest.param(f"q.io/{'n' * 256}", id="256 of name"),
        pytest.param("n" * 2000, id="far too long"),
        pytest.param(HEX, id="an image's id"),
        pytest.param(f"a@{HEX}", id="digest without algorithm"),
        pytest.param("a@sha256:abc", id="short digest"),
        pytest.param(f"a@sha256:{HEX[:-1]}", id="63 digits"),
        pytest.param(f"a@sha256:{HEX}0", id="65 digits"),
        pytest.param(f"a@sha256:{HEX.upper()}", id="digest in capitals"),
        pytest.param(f"a@sha512:{HEX}{HEX}", id="sha512"),
        pytest.param(f"a@md5:{HEX[:32]}", id="md5"),
        pytest.param(f"a@{DIGEST}:7", id="tag after the digest"),
        pytest.param("a?b", id="question mark"),
        pytest.param("q.io/a$(id)", id="shell"),
        pytest.param("{{.Name}}", id="template"),
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("", "an image reference is empty", "write one, as 'nginx:alpine'", id="empty"),
        pytest.param(
            "docker://nginx",
            "'docker://nginx' is not an image reference: it starts with 'docker://'",
            "write 'nginx'",
            id="a scheme",
        ),
        pytest.param(
            "https://hub.docker.com/r/bitnami/redis",
            "'https://hub.docker.com/r/bitnami/redis' is not an image reference: it starts with "
            "'https://'",
            "write 'bitnami/redis'",
            id="a page of Docker Hub",
        ),
        pytest.param(
            "https://hub.docker.com/_/nginx",
            "'https://hub.docker.com/_/nginx' is not an image reference: it starts with 'https://'",
            "write 'nginx'",
            id="an official image's page of Docker Hub",
        ),
        pytest.param(
            "docker://",
            "'docker://' is not an image reference: it starts with 'docker://'",
            "write one, as 'nginx:alpine'",
            id="a scheme alone",
        ),
        pytest.param(
            "nginx\uff1aalpine",
            "an image reference can't hold '\uff1a' (U+FF1A)",
            "retype it in plain ASCII",
            id="a full-width colon",
        ),
        pytest.param(
            "nginx\xad",
            "an image reference holds a space or an invisible character (U+00AD)",
            "retype it",
            id="soft hyphen",
        ),
        pytest.param(
            "Nginx:1.25-Alpine",
            "'Nginx:1.25-Alpine' is not an image reference: capital letters",
            "names are in lower case: 'nginx:1.25-Alpine'",
            id="capitals in name and tag",
        ),
        pytest.param(
            "localhost:5000/Foo:A",
            "'localhost:5000/Foo:A' is not an image reference: capital letters",
            "names are in lower case: 'localhost:5000/foo:A'",
            id="capitals behind a port",
        ),
        pytest.param(
            "redis@sha256:abc",
            "'redis@sha256:abc' is not an image reference: the format is wrong",
            "a digest is 'sha256:' and 64 hexadecimal digits in lower case",
            id="short digest",
        ),
        pytest.param(
            "ngin\x00x",
            "an image reference holds a space or an invisible character (U+0000)",
            "retype it",
            id="invisible",
        ),
        pytest.param(
            "Nginx",
            "'Nginx' is not an image reference: capital letters",
            "names are in lower case: 'nginx'",
            id="capitals",
        ),
        pytest.param(
            "a:b:c",
            "'a:b:c' is not an image reference: the format is wrong",
            f"write it as {GRAMMAR}",
            id="grammar",
        ),
        pytest.param(
            f"q.io/{'n' * 256}",
            f"'q.io/{'n' * 92}...' is not an image reference: "
            "repository name must not be more than 255 characters",
            f"write it as {GRAMMAR}",
            id="too long a name",
        ),
        pytest.param(
            "n" * 2000, "an image reference of 2000 characters is too long", "", id="far too long"
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_write(text: str, message: str, hint: str) -> None:
    with pytest.raises(FormatError) as refused:
        Reference.parse(text)
    assert (refused.value.message, refused.value.hint) == (message, hint)


PASTED = {
    "https://hub.docker.com/r/bitnami/redis/tags": "bitnami/redis",
    "https://hub.docker.com/_/nginx?tab=description": "nginx",
    "https://hub.docker.com/repository/docker/me/app/general": "me/app",
    "https://hub.docker.com/layers/library/nginx/1.27/images/sha256-0?context=x": (
        "library/nginx:1.27"
    ),
    "hub.docker.com/library/nginx": "library/nginx",
    "https://quay.io/repository/coreos/etcd?tab=tags": "quay.io/coreos/etcd",
    "quay.io/repository/coreos/etcd": "quay.io/coreos/etcd",
    "https://github.com/users/Me/packages/container/package/a%2Fb": "ghcr.io/me/a/b",
    "https://github.com/orgs/o/packages/container/app/1234?tag=v1": "ghcr.io/o/app",
    "https://github.com/o/r/pkgs/container/app": "ghcr.io/o/app",
    "https://gallery.ecr.aws/docker/library/nginx": "public.ecr.aws/docker/library/nginx",
    "https://mcr.microsoft.com/en-us/artifact/mar/dotnet/sdk/tags": "mcr.microsoft.com/dotnet/sdk",
    "https://mcr.microsoft.com/product/dotnet/sdk/about": "mcr.microsoft.com/dotnet/sdk",
    "https://r.example/v2/a/b/manifests/1.2": "r.example/a/b:1.2",
    f"https://r.example/v2/a/manifests/{DIGEST}": f"r.example/a@{DIGEST}",
    "https://r.example/v2/a/b/tags/list?n=9": "r.example/a/b",
    "docker://docker://nginx": "nginx",
    "docker pull nginx:1.27": "nginx:1.27",
    "$ sudo docker image pull quay.io/a/b": "quay.io/a/b",
    "podman pull -q nginx": "nginx",
    "nerdctl pull --platform linux/arm64 nginx": "--platform=linux/arm64 nginx",
    "image: 'nginx:1'": "nginx:1",
    '- image: "nginx"': "nginx",
    "FROM --platform=$BUILDPLATFORM golang:1 AS build": "golang:1",
    "'nginx'": "nginx",
    '"nginx:1",': "nginx:1",
    "nginx/": "nginx",
    "nginx:": "nginx",
    "<nginx>": "nginx",
}


@pytest.mark.parametrize(("pasted", "meant"), PASTED.items(), ids=PASTED)
def test_what_is_pasted_is_named_as_it_is_meant(pasted: str, meant: str) -> None:
    with pytest.raises(FormatError) as refused:
        Reference.parse(pasted)
    assert refused.value.hint == f"write '{meant}'"
    assert str(Reference.parse(meant.rpartition(" ")[2]))


def test_a_registry_at_an_ipv6_address_is_refused_since_skopeo_can_not_reach_it() -> None:
    with pytest.raises(FormatError, match="IPv6") as refused:
        Reference.parse("[::1]:5000/a:1")
    assert refused.value.hint == "give the registry a host name, in /etc/hosts or DNS"


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        pytest.param("redis", "redis:latest", id="official"),
        pytest.param("docker.io/bitnami/redis:7", "bitnami/redis:7", id="user"),
        pytest.param("quay.io/a/b:1", "quay.io/a/b:1", id="another registry"),
        pytest.param(f"redis:7@{DIGEST}", f"redis:7@{DIGEST}", id="tag and digest"),
        pytest.param("docker.io/library/library", "library:latest", id="named library"),
        pytest.param("docker.io/library/a/b", "library/a/b:latest", id="deeper than official"),
    ],
)
def test_the_familiar_form_is_the_one_people_know(text: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert reference.familiar == familiar
    assert Reference.parse(reference.familiar) == reference


def test_a_reference_knows_its_parts() -> None:
    reference = Reference.parse(f"Quay.io/a/b:1@{DIGEST}")
    assert reference == Reference("quay.io", "a/b", "1", DIGEST)
    assert reference.name == "quay.io/a/b"
    assert reference.is_pinned
    assert not reference.is_docker_hub


def test_a_tag_may_move_and_docker_hub_counts_its_pulls() -> None:
    reference = Reference.parse("redis")
    assert not reference.is_pinned
    assert reference.is_docker_hub


def test_at_a_digest_the_tag_is_left_out_as_skopeo_wants_it() -> None:
    assert str(Reference.parse("quay.io/a/b:1").at(DIGEST)) == f"quay.io/a/b@{DIGEST}"


def test_references_sort_by_registry_then_repository() -> None:
    texts = ["quay.io/b/b:1", "redis:1", "quay.io/a/b:1"]
    found = sorted(Reference.parse(text) for text in texts)
    assert [reference.name for reference in found] == [
        "docker.io/library/redis",
        "quay.io/a/b",
        "quay.io/b/b",
    ]


def test_a_digest_is_that_of_the_very_bytes() -> None:
    assert digest_of(b"{}") == (
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256:", id="no digits"),
        pytest.param(HEX, id="no algorithm"),
        pytest.param(f"SHA256:{HEX}", id="capitals"),
        pytest.param(f"sha256:{HEX}\n", id="trailing newline"),
        pytest.param(f"sha512:{HEX}{HEX}", id="sha512"),
        pytest.param("sha256:" + "٣" * 64, id="arabic digits"),
    ],
)
def test_what_is_no_sha256_digest_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_digest(text)


def test_a_digest_is_taken_as_it_is() -> None:
    assert parse_digest(DIGEST) == DIGEST


@given(st.text() | WORDS)
@example("[")
@example("a" * 1024)
@example("a-" * 512)
@example("a/" * 512)
@example("\ud800")
def test_any_text_is_a_reference_or_a_format_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except FormatError:
        return
    assert Reference.parse(str(reference)) == reference


@given(HOSTS, PATHS, TAGS, DIGESTS)
def test_the_normal_form_is_its_own_normal_form(
    host: str, path: str, tag: str, digest: str
) -> None:
    normal = str(Reference.parse(f"{host}{path}{tag}{digest}"))
    assert str(Reference.parse(normal)) == normal
