"""What skopeo's complaints mean: texts as it prints them, and what people are told."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import ErrorKind, Side
from orchestrator.oci.reference import Reference
from orchestrator.skopeo.errors import image_error
from orchestrator.skopeo.failure import SkopeoFailure, fatal_message, side_of
from orchestrator.text import printable

SOURCE = Reference.parse("quay.io/coreos/etcd:v3.5.0")
HUB = Reference.parse("bitnami/redis:7")
DESTINATION = Reference.parse("registry.example:5000/mirrors/quay-io_coreos_etcd:v3.5.0")
GITHUB = Reference.parse("ghcr.io/octocat/etcd:v3.5.0")
LOGIN = "MIRROR_USERNAME and MIRROR_PASSWORD"

INSPECT = 'Error parsing image name "docker://quay.io/coreos/etcd:v3.5.0": '
COPY = "initializing source docker://quay.io/coreos/etcd:v3.5.0: "
READING = "reading manifest v3.5.0 in quay.io/coreos/etcd: "
SYSTEM = "copying system image from manifest list: "
CHILD = "copying image 1/3 from manifest list: "
BLOB = f"sha256:{'a' * 64}"
UPLOAD = "https://registry.example:5000/v2/mirrors/x/blobs/uploads/8e5?_state=SeCrEt-x%3D"


def logged(message: str, level: str = "fatal") -> str:
    """A line of logrus, which quotes as Go's %q does."""
    quoted = json.dumps(message).replace("\\u00", "\\x")
    return f'time="2026-11-24T06:25:45Z" level={level} msg={quoted}\n'


def failure(message: str, *, at: Reference = SOURCE, side: Side = Side.SOURCE) -> SkopeoFailure:
    return SkopeoFailure(fatal_message(logged(message)), at, side, LOGIN)


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        pytest.param(
            f"{INSPECT}{READING}manifest unknown: manifest unknown",
            ErrorKind.NOT_FOUND,
            "the name and the tag",
            id="tag missing",
        ),
        pytest.param(
            f"{COPY}{READING}name unknown: repository name not known to registry",
            ErrorKind.NOT_FOUND,
            "the name and the tag",
            id="repository missing",
        ),
        pytest.param(
            f'reading blob {BLOB}: fetching blob: StatusCode: 403, ""',
            ErrorKind.DENIED,
            "next run",
            id="a blob's 403, newer",
        ),
        pytest.param(
            f'{INSPECT}fetching manifest v3.5.0 in quay.io/coreos/etcd: StatusCode: 429, ""',
            ErrorKind.RATE_LIMITED,
            "next run tries again",
            id="429 without words, newer",
        ),
        pytest.param(
            f'{INSPECT}fetching manifest v3.5.0 in quay.io/coreos/etcd: StatusCode: 401, ""',
            ErrorKind.UNAUTHORIZED,
            "check",
            id="401 without words, newer",
        ),
        pytest.param(
            f"{INSPECT}{READING}StatusCode: 404, <html>no</html>",
            ErrorKind.NOT_FOUND,
            "the name",
            id="404 that is no JSON",
        ),
        pytest.param(
            f"{INSPECT}{READING}unauthorized: authentication required",
            ErrorKind.UNAUTHORIZED,
            LOGIN,
            id="401",
        ),
        pytest.param(f"{INSPECT}{READING}denied", ErrorKind.DENIED, LOGIN, id="403"),
        pytest.param(
            f"{COPY}{READING}denied: the project is blocked",
            ErrorKind.DENIED,
            LOGIN,
            id="403 with words",
        ),
        pytest.param(
            f"{INSPECT}{READING}errors:\ndenied: requested access to the resource is denied\n"
            "unauthorized\n",
            ErrorKind.UNAUTHORIZED,
            LOGIN,
            id="token of too small a scope",
        ),
        pytest.param(
            f"{INSPECT}unable to retrieve auth token: invalid username/password: unauthorized: x",
            ErrorKind.UNAUTHORIZED,
            LOGIN,
            id="wrong password",
        ),
        pytest.param(
            f"{INSPECT}Requesting bearer token: invalid status code from registry 403 (Forbidden)",
            ErrorKind.UNAUTHORIZED,
            LOGIN,
            id="token server says 403",
        ),
        pytest.param(
            f"{INSPECT}Requesting bearer token: invalid status code from registry 500 "
            "(Internal Server Error)",
            ErrorKind.UNREACHABLE,
            "next run",
            id="token server says 500",
        ),
        pytest.param(
            f"{INSPECT}too many requests to registry",
            ErrorKind.RATE_LIMITED,
            "next run",
            id="token server says 429",
        ),
        pytest.param(
            f"{INSPECT}{READING}toomanyrequests: You have reached your pull rate limit.",
            ErrorKind.RATE_LIMITED,
            "next run tries again",
            id="429",
        ),
        *(
            pytest.param(
                f"{COPY}{READING}received unexpected HTTP status: {status}",
                ErrorKind.UNREACHABLE,
                "next run",
                id=status,
            )
            for status in (
                "500 Internal Server Error",
                "502 Bad Gateway",
                "503 Service Unavailable",
                "504 Gateway Timeout",
            )
        ),
        pytest.param(
            f'{COPY}pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp '
            "127.0.0.1:443: connect: connection refused",
            ErrorKind.UNREACHABLE,
            "proxy, firewall and DNS",
            id="connection refused",
        ),
        pytest.param(
            f'{COPY}pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp: '
            "lookup quay.io on 127.0.0.53:53: no such host",
            ErrorKind.UNREACHABLE,
            "proxy, firewall and DNS",
            id="no such host",
        ),
        pytest.param(
            f'{COPY}pinging container registry quay.io: Get "https://quay.io/v2/": http: server '
            "gave HTTP response to HTTPS client",
            ErrorKind.TLS,
            "INSECURE_REGISTRIES",
            id="plain HTTP",
        ),
        pytest.param(
            f'{COPY}pinging container registry quay.io: Get "https://quay.io/v2/": x509: '
            "certificate signed by unknown authority",
            ErrorKind.TLS,
            "targets.toml",
            id="unknown authority",
        ),
        pytest.param(
            f"{COPY}pinging container registry quay.io: x509: cannot validate certificate for "
            "127.0.0.1 because it doesn't contain any IP SANs",
            ErrorKind.TLS,
            "CA",
            id="no IP SAN",
        ),
        pytest.param(
            f"{COPY}context deadline exceeded", ErrorKind.TIMEOUT, "way to quay.io", id="deadline"
        ),
        pytest.param(
            f'{COPY}Get "https://quay.io/v2/": net/http: request canceled (Client.Timeout exceeded '
            "while awaiting headers)",
            ErrorKind.TIMEOUT,
            "way to quay.io",
            id="Go's client timeout",
        ),
        pytest.param(
            f"{COPY}dial tcp 127.0.0.1:443: i/o timeout",
            ErrorKind.TIMEOUT,
            "proxy, firewall and DNS",
            id="i/o timeout",
        ),
        pytest.param(
            f"{COPY}net/http: TLS handshake timeout",
            ErrorKind.TIMEOUT,
            "way to",
            id="slow handshake",
        ),
        pytest.param(
            f"{COPY}read tcp 127.0.0.1:9->127.0.0.1:443: read: connection timed out",
            ErrorKind.TIMEOUT,
            "way to",
            id="the kernel's timeout",
        ),
        pytest.param(
            f'{COPY}Get "https://quay.io/v2/": EOF', ErrorKind.UNREACHABLE, "next run", id="EOF"
        ),
        pytest.param(
            f"{COPY}read tcp 127.0.0.1:9->127.0.0.1:443: read: connection reset by peer",
            ErrorKind.UNREACHABLE,
            "next run",
            id="reset",
        ),
        pytest.param(
            "writing blob: happened during read: stream error: stream ID 5; INTERNAL_ERROR",
            ErrorKind.UNREACHABLE,
            "next run",
            id="HTTP/2 stream error",
        ),
        pytest.param(
            "Error parsing manifest for image: choosing image instance: no image found in image "
            'index for architecture s390x, variant "", OS linux',
            ErrorKind.NO_SUCH_PLATFORM,
            "--platform",
            id="no such platform, inspect",
        ),
        pytest.param(
            "choosing an image from manifest list docker://quay.io/coreos/etcd:v3.5.0: no image "
            'found in manifest list for architecture "s390x", variant "", OS "linux"',
            ErrorKind.NO_SUCH_PLATFORM,
            "--platform",
            id="no such platform, copy",
        ),
        pytest.param(
            "exceeded maximum allowed size of 4194304 bytes",
            ErrorKind.BAD_MANIFEST,
            "-v",
            id="a manifest of more than 4 MiB",
        ),
        pytest.param(
            f'writing blob: Patch "{UPLOAD}": net/http: HTTP/1.x transport connection broken: '
            "http: ContentLength=1 with Body length 378",
            ErrorKind.BAD_MANIFEST,
            "-v",
            id="a blob of another size than its manifest says",
        ),
        pytest.param(
            "Error parsing manifest for image: unexpected end of JSON input",
            ErrorKind.BAD_MANIFEST,
            "-v",
            id="half a manifest",
        ),
        pytest.param(
            "Error parsing manifest for image: invalid character '<' looking for beginning of "
            "value",
            ErrorKind.BAD_MANIFEST,
            "-v",
            id="a web page",
        ),
        pytest.param(
            f"writing blob: Patch ..: happened during read: Digest did not match, expected {BLOB}, "
            f"got {BLOB}",
            ErrorKind.DIGEST_MISMATCH,
            "next run",
            id="corrupt layer",
        ),
        pytest.param(
            f"{SYSTEM}reading config blob {BLOB}: Download config.json digest {BLOB} does not "
            f"match expected {BLOB}",
            ErrorKind.DIGEST_MISMATCH,
            "next run",
            id="corrupt config",
        ),
        pytest.param(
            "zstd compression is not supported for docker images",
            ErrorKind.BAD_MANIFEST,
            "-v",
            id="zstd in Docker's type",
        ),
        pytest.param(
            'Error loading trust policy: invalid policy in "/home/me/policy.json": unexpected end '
            "of JSON input",
            ErrorKind.TOOL,
            "mend that file",
            id="a bad policy",
        ),
        pytest.param(
            "Source image rejected: A signature was required, but no signature exists",
            ErrorKind.UNSIGNED,
            "containers-policy.json(5)",
            id="not signed",
        ),
        pytest.param(
            "Source image rejected: Debian-local change: sigstore disabled",
            ErrorKind.UNSIGNED,
            "install 1.11 or later",
            id="a skopeo without sigstore",
        ),
        pytest.param(
            'Error loading trust policy: invalid policy in "p.json": Unknown policy requirement '
            'type "sigstoreSigned"',
            ErrorKind.TOOL,
            "sigstoreSigned needs skopeo 1.11",
            id="a skopeo that knows no sigstore",
        ),
        pytest.param(
            f"{SYSTEM}Source image rejected: Signature by key 1234 is not accepted",
            ErrorKind.UNSIGNED,
            "containers-policy.json(5)",
            id="signed by another",
        ),
        pytest.param(
            "Source image rejected: Running image docker://quay.io/x/y:1 is rejected by policy.",
            ErrorKind.UNSIGNED,
            "containers-policy.json(5)",
            id="rejected",
        ),
        pytest.param(
            "Error loading trust policy: open /etc/containers/policy.json: no such file or "
            "directory",
            ErrorKind.TOOL,
            "policy.json of skopeo's package",
            id="no trust policy",
        ),
        pytest.param(
            "mkdir /run/containers: permission denied",
            ErrorKind.TOOL,
            "-v",
            id="a file of this machine",
        ),
        pytest.param(
            "writing blob: write /var/tmp/x: no space left on device",
            ErrorKind.NO_SPACE,
            "disk",
            id="disk full",
        ),
        pytest.param("something new", ErrorKind.TOOL, "-v", id="unheard of"),
    ],
)
def test_a_complaint_about_a_source_is_understood(
    message: str, kind: ErrorKind, words: str
) -> None:
    error = image_error(failure(message))
    assert error.kind is kind
    assert words in error.hint
    assert error.registry == "quay.io"
    of_image, of_registry = "quay.io/coreos/etcd:v3.5.0: ", "quay.io can't be reached from here"
    assert error.message.startswith((of_image, of_registry))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(
            'pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp: lookup '
            "quay.io on 10.0.0.1:53: no such host",
            "quay.io can't be reached from here",
            id="no name",
        ),
        pytest.param(
            'pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp '
            "1.2.3.4:443: connect: connection refused",
            "quay.io can't be reached from here",
            id="nobody there",
        ),
        pytest.param(
            'pinging container registry quay.io: Get "https://quay.io/v2/": proxyconnect tcp: '
            "dial tcp 1.2.3.4:3128: i/o timeout",
            "quay.io can't be reached from here",
            id="a proxy that does not answer",
        ),
        pytest.param(
            "writing blob: happened during read: read tcp 10.0.0.2:1->1.2.3.4:443: read: "
            "connection reset by peer",
            "quay.io/coreos/etcd:v3.5.0: the registry can't be reached, or fails",
            id="cut off on the way",
        ),
        pytest.param(
            "pinging container registry quay.io: received unexpected HTTP status: 503 Service "
            "Unavailable",
            "quay.io/coreos/etcd:v3.5.0: the registry can't be reached, or fails (received "
            "unexpected HTTP status: 503 Service Unavailable)",
            id="what the registry said",
        ),
    ],
)
def test_words_on_sockets_are_for_the_log(message: str, words: str) -> None:
    assert image_error(failure(message)).message == words


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        pytest.param(
            "writing blob: initiating layer upload to /v2/mirrors/x/blobs/uploads/ in "
            "registry.example:5000: denied: requested access to the resource is denied",
            ErrorKind.DENIED,
            "namespace of registry.example:5000/mirrors/quay-io_coreos_etcd exists",
            id="push denied",
        ),
        pytest.param(
            "writing blob: initiating layer upload to /v2/mirrors/x/blobs/uploads/ in "
            "registry.example:5000: errors:\ndenied: requested access to the resource is denied\n"
            "unauthorized: authentication required\n",
            ErrorKind.DENIED,
            f"exists, and that {LOGIN} may push there",
            id="Aliyun's missing namespace",
        ),
        pytest.param(
            f"trying to reuse blob {BLOB} at destination: checking whether a blob {BLOB} exists in "
            "registry.example:5000/mirrors/x: unauthorized: authentication required",
            ErrorKind.UNAUTHORIZED,
            LOGIN,
            id="no login",
        ),
        pytest.param(
            f"trying to reuse blob {BLOB} at destination: failed to read from destination "
            "repository mirrors/x: 403 (Forbidden)",
            ErrorKind.DENIED,
            "may push there",
            id="403 to the first HEAD",
        ),
        pytest.param(
            f"{SYSTEM}writing blob: initiating layer upload to /v2/mirrors/x/blobs/uploads/ in "
            "registry.example:5000: unauthorized: unauthorized to access repository: mirrors/x, "
            "action: push: unauthorized to access repository: mirrors/x, action: push",
            ErrorKind.DENIED,
            "namespace of registry.example:5000/mirrors/quay-io_coreos_etcd exists",
            id="Harbor's missing project",
        ),
        pytest.param(
            "writing blob: initiating layer upload to /v2/mirrors/x/blobs/uploads/ in "
            "registry.example:5000: name unknown: The repository with name 'mirrors/x' does not "
            "exist in the registry with id '1234'",
            ErrorKind.NO_SUCH_NAMESPACE,
            "create the repository registry.example:5000/mirrors/quay-io_coreos_etcd first",
            id="ECR's missing repository",
        ),
        pytest.param(
            "writing manifest: uploading manifest v3.5.0 to registry.example:5000/mirrors/x: "
            "tag invalid: The image tag 'v3.5.0' already exists in the 'mirrors/x' repository and "
            "cannot be overwritten because the repository is immutable.",
            ErrorKind.IMMUTABLE,
            "allow tags to be overwritten",
            id="ECR's immutable tag",
        ),
        pytest.param(
            "writing manifest: uploading manifest v3.5.0 to registry.example:5000/mirrors/x: "
            "unknown: Failed to process request due to 'mirrors/x:v3.5.0' configured as immutable.",
            ErrorKind.IMMUTABLE,
            "allow tags to be overwritten",
            id="Harbor's immutable tag",
        ),
        pytest.param(
            f"{CHILD}writing manifest: uploading manifest {BLOB} to registry.example:5000/mirrors/x"
            ": denied: unknown manifest class for application/vnd.oci.empty.v1+json",
            ErrorKind.BAD_MANIFEST,
            "name one platform",
            id="Aliyun's attestations",
        ),
        pytest.param(
            "uploading manifest v3.5.0 to registry.example:5000/mirrors/x: manifest invalid",
            ErrorKind.BAD_MANIFEST,
            "which manifest types it takes",
            id="type refused",
        ),
        pytest.param(
            "Uploading manifest failed, attempted the following formats: "
            "application/vnd.oci.image.manifest.v1+json(manifest invalid), x(y)",
            ErrorKind.BAD_MANIFEST,
            "",
            id="all types refused",
        ),
        pytest.param(
            f'{SYSTEM}writing blob: Patch "{UPLOAD}": EOF',
            ErrorKind.UNREACHABLE,
            "next run",
            id="EOF",
        ),
        pytest.param(
            f"{CHILD}writing blob: uploading layer to {UPLOAD}&digest=sha256%3Aab: received "
            "unexpected HTTP status: 502 Bad Gateway",
            ErrorKind.UNREACHABLE,
            "next run",
            id="502 to the last PUT",
        ),
        pytest.param(
            "writing blob: initiating layer upload to /v2/x/blobs/uploads/ in ghcr.io: denied: "
            "You have exceeded a secondary rate limit",
            ErrorKind.RATE_LIMITED,
            "fewer JOBS",
            id="secondary rate limit",
        ),
    ],
)
def test_a_complaint_about_a_destination_is_understood(
    message: str, kind: ErrorKind, words: str
) -> None:
    found = failure(message, at=DESTINATION, side=Side.DESTINATION)
    assert side_of(found.text) is Side.DESTINATION
    error = image_error(found)
    assert error.kind is kind
    assert words in error.hint
    assert error.registry == "registry.example:5000"


@pytest.mark.parametrize(
    ("message", "side"),
    [
        pytest.param(f"{COPY}{READING}manifest unknown", Side.SOURCE, id="source's manifest"),
        pytest.param(f"{SYSTEM}reading config blob {BLOB}: x", Side.SOURCE, id="source's config"),
        pytest.param(
            f'{CHILD}writing blob: Patch "{UPLOAD}": happened during read: unexpected EOF',
            Side.SOURCE,
            id="source ends in the middle of a layer",
        ),
        pytest.param("choosing an image from manifest list: x", Side.SOURCE, id="choice"),
        pytest.param("initializing destination docker://x: y", Side.DESTINATION, id="destination"),
        pytest.param(f'writing blob: Patch "{UPLOAD}": EOF', Side.DESTINATION, id="upload"),
        pytest.param(f'{SYSTEM}writing blob: Patch "{UPLOAD}": EOF', Side.DESTINATION, id="of one"),
        pytest.param(f'{CHILD}writing manifest: Put "x": EOF', Side.DESTINATION, id="of all"),
        pytest.param(
            f"trying to reuse blob {BLOB} at destination: pinging container registry h: EOF",
            Side.DESTINATION,
            id="destination's ping",
        ),
    ],
)
def test_the_end_that_failed_is_told(message: str, side: Side) -> None:
    assert side_of(message) is side


@pytest.mark.parametrize(
    ("message", "kind", "hint"),
    [
        pytest.param(
            "toomanyrequests: You have reached your unauthenticated pull rate limit.",
            ErrorKind.RATE_LIMITED,
            "set DOCKERHUB_USERNAME and DOCKERHUB_TOKEN for a higher limit, or wait 6 hours",
            id="pull limit",
        ),
        pytest.param(
            "errors:\ndenied: requested access to the resource is denied\nunauthorized\n",
            ErrorKind.UNAUTHORIZED,
            f"check the name and the tag, and that {LOGIN} may read it",
            id="missing or private",
        ),
    ],
)
def test_docker_hub_has_hints_of_its_own(message: str, kind: ErrorKind, hint: str) -> None:
    error = image_error(failure(message, at=HUB))
    assert (error.kind, error.hint) == (kind, hint)
    assert not error.is_transient
    assert error.message.startswith("bitnami/redis:7: ")


def test_another_registrys_rate_limit_passes_soon() -> None:
    assert image_error(failure("toomanyrequests: allowed: 44000/minute")).is_transient


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("denied: permission_denied: write_package", id="package not linked"),
        pytest.param("denied: installation not allowed to Write organization package", id="token"),
    ],
)
def test_a_push_that_ghcr_denies_is_told_what_github_wants(message: str) -> None:
    upload = "writing blob: initiating layer upload to /v2/x/blobs/uploads/ in ghcr.io: "
    error = image_error(failure(upload + message, at=GITHUB, side=Side.DESTINATION))
    assert error.kind is ErrorKind.DENIED
    for words in ("packages: write", "write:packages", "Manage Actions access"):
        assert words in error.hint


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("quay.io/enix/x509-certificate-exporter:3", id="x509"),
        pytest.param("quay.io/denied/unauthorized:forbidden", id="denied"),
        pytest.param("quay.io/toomanyrequests/immutable:rate-limit", id="limits"),
        pytest.param("x509.example:5000/certificate", id="a host"),
    ],
)
def test_an_images_own_name_is_no_part_of_the_diagnosis(image: str) -> None:
    reference = Reference.parse(image)
    message = (
        f'Error parsing image name "docker://{reference}": pinging container registry '
        f'{reference.registry}: Get "https://{reference.registry}/v2/{reference.repository}": dial '
        f"tcp: lookup {reference.registry.partition(':')[0]} on 127.0.0.53:53: no such host"
    )
    assert image_error(failure(message, at=reference)).kind is ErrorKind.UNREACHABLE
    read = f"reading manifest {reference.tag} in {reference.name}: "
    failed = failure(f"{read}received unexpected HTTP status: 502 x", at=reference)
    assert image_error(failed).kind is ErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(f'writing blob: Patch "{UPLOAD}": EOF', id="upload"),
        pytest.param(f"uploading layer to {UPLOAD}&digest=sha256%3Aab: EOF", id="end of upload"),
        pytest.param(
            'reading blob: Get "https://oss.example/b/x?Expires=1&OSSAccessKeyId=i&Signature=SeCrEt"'
            ": EOF",
            id="signed download",
        ),
        pytest.param('Get "https://s3.example/x?X-Amz-Signature=SeCrEt&x=1": EOF', id="S3"),
    ],
)
def test_what_a_url_is_asked_is_never_shown(message: str) -> None:
    text = fatal_message(logged(message))
    error = image_error(SkopeoFailure(text, SOURCE, Side.SOURCE, LOGIN))
    assert "SeCrEt" not in text + error.message + error.hint
    assert error.kind is ErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        pytest.param("", "", id="silence"),
        pytest.param(logged("one"), "one", id="one line"),
        pytest.param(logged("one") + logged("two"), "two", id="the last one"),
        pytest.param(
            logged("gone") + logged("GET /v2/", "debug"), "gone", id="debug lines after it"
        ),
        pytest.param(logged("GET /v2/", "debug"), "", id="debug lines alone"),
        pytest.param(
            logged("slow", "warning") + logged("GET /v2/", "debug"),
            logged("slow", "warning").strip(),
            id="no fatal line",
        ),
        pytest.param("level=fatal msg=EOF\n", "EOF", id="a word that needs no quotes"),
        pytest.param(logged('say "no"\\now\n\tEOF'), 'say "no"\\now\n\tEOF', id="escapes"),
        pytest.param(
            logged('body: time="x" level=fatal msg="forged"', "debug") + logged("real"),
            "real",
            id="a fatal line inside a debug line",
        ),
        pytest.param(
            logged("real") + logged("body: level=fatal msg=forged", "debug"), "real", id="bare"
        ),
        pytest.param("panic: runtime error\n", "panic: runtime error", id="no logrus at all"),
    ],
)
def test_the_last_fatal_line_is_what_counts(errors: str, text: str) -> None:
    assert fatal_message(errors) == text


MASK = (
    'Manifest list must be converted to type "application/vnd.docker.distribution.manifest.list.'
    'v2+json" to be written to destination, but we cannot modify it: "Instructed to preserve '
    'digests"'
)
NEWER_MASK = 'Manifest list was edited, but we cannot modify it: "Instructed to preserve digests"'


@pytest.mark.parametrize(
    "mask", [pytest.param(MASK, id="1.9"), pytest.param(NEWER_MASK, id="1.22")]
)
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        pytest.param("received unexpected HTTP status: 503 x", ErrorKind.UNREACHABLE, id="503"),
        pytest.param("toomanyrequests: slow", ErrorKind.RATE_LIMITED, id="429"),
        pytest.param("denied", ErrorKind.DENIED, id="403"),
        pytest.param("manifest invalid", ErrorKind.BAD_MANIFEST, id="type refused"),
        pytest.param("manifest blob unknown: blob unknown", ErrorKind.BAD_MANIFEST, id="no child"),
        pytest.param("blob unknown to registry", ErrorKind.BAD_MANIFEST, id="no child, newer"),
        pytest.param("", ErrorKind.BAD_MANIFEST, id="never told"),
    ],
)
def test_what_stood_in_an_indexs_way_is_behind_skopeos_last_word(
    reason: str, kind: ErrorKind, mask: str
) -> None:
    why = "Upload of manifest list type application/vnd.oci.image.index.v1+json failed: uploading "
    told = logged(f"{why}manifest 1 to registry.example:5000/x: {reason}", "debug")
    text = fatal_message((told if reason else "") + logged(mask))
    assert side_of(text) is Side.DESTINATION
    assert image_error(SkopeoFailure(text, DESTINATION, Side.DESTINATION, LOGIN)).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("denied: \x1b[31mred\x1b[0m \x9b2J", id="escape sequences"),
        pytest.param("denied:\n::error::forged\r\n::set-output name=x::y", id="commands"),
        pytest.param("denied: \u202egnitirw\u2066", id="turned text"),
    ],
)
def test_a_registrys_own_words_stay_harmless(text: str) -> None:
    for errors in (logged(text), text):
        error = image_error(SkopeoFailure(fatal_message(errors), SOURCE, Side.SOURCE, LOGIN))
        assert error.message == printable(error.message)
        assert "\n" not in error.message
        assert not set(error.message) & set("\x1b\x9b\r\u202e\u2066")


def test_a_long_complaint_is_cut() -> None:
    assert len(image_error(failure("denied: " + "x" * 10_000)).message) < 500


@pytest.mark.parametrize(
    ("text", "is_transient"),
    [
        pytest.param(
            "reading blob sha256:ab: unable to retrieve auth token: invalid username/password: "
            "unauthorized: expired",
            True,
            id="a blob is read",
        ),
        pytest.param("writing blob: uploading layer chunked: unauthorized: x", True, id="a piece"),
        pytest.param(
            "copying image 1/2 from manifest list: writing manifest: uploading manifest 1 to "
            "quay.io/x/y: unauthorized: x",
            True,
            id="the manifest",
        ),
        pytest.param(
            "trying to reuse blob sha256:ab at destination: checking whether a blob sha256:ab "
            "exists in quay.io/x/y: unauthorized: authentication required",
            False,
            id="the first question",
        ),
        pytest.param(
            "writing blob: initiating layer upload to /v2/x/y/blobs/uploads/ in quay.io: "
            "unauthorized: x",
            False,
            id="the right to push",
        ),
        pytest.param(
            "trying to reuse blob sha256:ab at destination: failed to read from destination "
            "repository x/y: 503 (Service Unavailable)",
            True,
            id="503 to a blob's HEAD",
        ),
        pytest.param(
            "trying to reuse blob sha256:ab at destination: failed to read from destination "
            "repository x/y: 429 (Too Many Requests)",
            True,
            id="429 to a blob's HEAD",
        ),
        pytest.param(
            "reading blob sha256:ab: Error fetching blob: invalid status code from registry 403 "
            "(Forbidden)",
            True,
            id="403 to a blob",
        ),
        pytest.param(
            'reading blob sha256:ab: fetching blob: StatusCode: 403, ""',
            True,
            id="403 to a blob, newer",
        ),
        pytest.param(
            "trying to reuse blob sha256:ab at destination: checking whether a blob sha256:ab "
            'exists in quay.io/x/y: StatusCode: 429, ""',
            True,
            id="429 to a blob's HEAD, newer",
        ),
        pytest.param(
            "Manifest does not match provided manifest digest sha256:ab", False, id="another digest"
        ),
    ],
)
def test_what_passes_is_told_from_what_does_not(text: str, is_transient: bool) -> None:
    reference = Reference.parse("quay.io/x/y:1")
    assert (
        image_error(SkopeoFailure(text, reference, side_of(text), "LOGIN")).is_transient
        is is_transient
    )
