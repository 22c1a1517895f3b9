from __future__ import annotations

import json

import pytest

from orchestrator.http import Answer
from orchestrator.manifest import DOCKER_MANIFEST, OCI_INDEX, Descriptor
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.registry_answers import (
    Absent,
    PullLimit,
    Refused,
    Unknown,
    blob_in,
    digest_in,
    is_over_limit,
    manifest_in,
    pull_limit_in,
    referrers_in,
    written_in,
)

BODY = b'{"manifests": []}'
DIGEST = digest_of(BODY)
OTHER = Digest(f"sha256:{'0' * 64}")
TAG = Reference("h.io", "a", "1")
PINNED = TAG.at(DIGEST)
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json; charset=utf-8"}


def headers(digest: str = DIGEST, media_type: str = OCI_INDEX) -> dict[str, str]:
    told = {"docker-content-digest": digest, "content-type": media_type}
    return {name: value for name, value in told.items() if value}


def error(*codes: object) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": "m"} for code in codes]}).encode()


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        pytest.param(Answer(200, headers()), TAG, DIGEST, id="a digest"),
        pytest.param(
            Answer(200, headers(media_type=f"{DOCKER_MANIFEST}; charset=utf-8")),
            TAG,
            DIGEST,
            id="a type with a parameter",
        ),
        pytest.param(Answer(200, headers()), PINNED, DIGEST, id="the digest asked for"),
        pytest.param(Answer(404), TAG, Absent(), id="not there"),
        pytest.param(Answer(404, JSON), TAG, Absent(), id="not there, in JSON"),
        pytest.param(Answer(404, JSON, error("NAME_UNKNOWN")), TAG, Absent(), id="with a body"),
    ],
)
def test_a_head_tells_a_digest_or_that_nothing_is_there(
    answer: Answer, reference: Reference, expected: Digest | Absent
) -> None:
    assert digest_in(answer, reference) == expected


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        pytest.param(Answer(200, headers(digest="")), TAG, id="no digest"),
        pytest.param(Answer(200, headers(digest="sha512:" + "0" * 128)), TAG, id="sha512"),
        pytest.param(Answer(200, headers(digest=f"{DIGEST}, {DIGEST}")), TAG, id="two digests"),
        pytest.param(Answer(200, headers(digest=DIGEST.upper())), TAG, id="capitals"),
        pytest.param(Answer(200, headers(digest=f"{DIGEST}\n")), TAG, id="a newline"),
        pytest.param(Answer(200, headers(digest=OTHER)), PINNED, id="another than asked for"),
        pytest.param(Answer(200, headers(media_type="")), TAG, id="no type"),
        pytest.param(Answer(200, headers(media_type="text/html")), TAG, id="a page"),
        pytest.param(
            Answer(200, headers(media_type="application/vnd.docker.distribution.manifest.v1+json")),
            TAG,
            id="a converted manifest",
        ),
        pytest.param(Answer(404, HTML), TAG, id="a proxy's 404"),
        pytest.param(Answer(404, JSON, error("UNAUTHORIZED")), TAG, id="another error's 404"),
        pytest.param(Answer(404, JSON, b"not found"), TAG, id="a 404 in words"),
        *(
            pytest.param(Answer(status, headers()), TAG, id=str(status))
            for status in (201, 204, 206, 301, 307, 400, 401, 403, 405, 410, 429, 500, 503)
        ),
    ],
)
def test_a_surprise_is_unknown(answer: Answer, reference: Reference) -> None:
    found = digest_in(answer, reference)

    assert isinstance(found, Unknown)
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        pytest.param(Answer(200, headers(), BODY), TAG, BODY, id="a manifest"),
        pytest.param(Answer(200, headers(), BODY), PINNED, BODY, id="by digest"),
        pytest.param(
            Answer(200, headers(digest=""), BODY), PINNED, BODY, id="its digest is what was asked"
        ),
        pytest.param(Answer(404, JSON, error("MANIFEST_UNKNOWN")), TAG, Absent(), id="no tag"),
        pytest.param(Answer(404, JSON, error("NAME_UNKNOWN")), TAG, Absent(), id="no repository"),
        pytest.param(Answer(404, JSON, error("NOT_FOUND")), TAG, Absent(), id="Harbor's word"),
    ],
)
def test_a_get_tells_bytes_or_that_nothing_is_there(
    answer: Answer, reference: Reference, expected: bytes | Absent
) -> None:
    assert manifest_in(answer, reference) == expected


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        pytest.param(Answer(200, headers(digest=""), BODY), TAG, id="nothing to check it by"),
        pytest.param(Answer(200, headers(digest=OTHER), BODY), TAG, id="another digest"),
        pytest.param(Answer(200, headers(digest=OTHER), BODY), PINNED, id="two that disagree"),
        pytest.param(Answer(200, headers(), BODY + b" "), TAG, id="other bytes"),
        pytest.param(Answer(200, headers(), BODY), TAG.at(OTHER), id="another than asked for"),
        pytest.param(Answer(200, headers(), BODY, is_whole=False), TAG, id="too large"),
        pytest.param(Answer(200, headers(media_type="text/html"), BODY), TAG, id="a page"),
        pytest.param(Answer(404), TAG, id="an empty 404"),
        pytest.param(Answer(404, JSON, error("DENIED")), TAG, id="another error"),
        pytest.param(Answer(404, JSON, error(5)), TAG, id="a code that is none"),
        pytest.param(Answer(404, JSON, b'{"errors": {}}'), TAG, id="no list"),
        pytest.param(Answer(404, JSON, b'{"errors": ["NOT_FOUND"]}'), TAG, id="no objects"),
        pytest.param(Answer(404, JSON, b"[" * 200_000), TAG, id="a deep one"),
        pytest.param(Answer(404, HTML, b"<html>"), TAG, id="a page's 404"),
        pytest.param(Answer(403, JSON, error("DENIED")), TAG, id="denied"),
    ],
)
def test_a_get_that_surprises_is_unknown(answer: Answer, reference: Reference) -> None:
    assert isinstance(manifest_in(answer, reference), Unknown)


BLOB = Descriptor("application/vnd.oci.image.config.v1+json", digest_of(BODY), len(BODY))


@pytest.mark.parametrize(
    ("answer", "is_good"),
    [
        pytest.param(Answer(200, {}, BODY), True, id="the blob"),
        pytest.param(Answer(200, {}, BODY + b"x"), False, id="longer"),
        pytest.param(Answer(200, {}, BODY[:-1]), False, id="shorter"),
        pytest.param(Answer(200, {}, BODY[:-1] + b"]"), False, id="another"),
        pytest.param(Answer(200, {}, BODY, is_whole=False), False, id="cut"),
        pytest.param(Answer(307, {"location": "http://h.io"}, b""), False, id="led on too far"),
        pytest.param(Answer(404, {}, b""), False, id="not there"),
    ],
)
def test_a_blob_is_what_its_manifest_says(answer: Answer, is_good: bool) -> None:
    found = blob_in(answer, BLOB, registry="h.io")

    assert found == BODY if is_good else isinstance(found, Unknown)


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        pytest.param("100;w=21600", "20;w=21600", PullLimit(100, 20, 21600), id="as documented"),
        pytest.param("200 ; w=60", "0", PullLimit(200, 0, 60), id="spaces, nothing left"),
        pytest.param("100", "5;w=60", PullLimit(100, 5, 60), id="the window at the other one"),
        pytest.param("100", "5", PullLimit(100, 5, 0), id="no window"),
        pytest.param("", "20", None, id="no limit"),
        pytest.param("100", "", None, id="nothing said of the rest"),
        pytest.param("-1", "20", None, id="negative"),
        pytest.param("9" * 30, "20", None, id="beyond all numbers"),
        pytest.param("\u0661\u0660", "20", None, id="digits of another script"),
        pytest.param("100;w=x", "20", None, id="no number"),
    ],
)
def test_the_pull_limit_is_read(limit: str, remaining: str, expected: PullLimit | None) -> None:
    told = {"ratelimit-limit": limit, "ratelimit-remaining": remaining}

    assert pull_limit_in(Answer(200, told)) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Answer(200, headers(media_type=OCI_INDEX), BODY), BODY, id="a list"),
        pytest.param(Answer(404, HTML, b"404 page not found"), Absent(), id="no such API"),
        pytest.param(Answer(400, JSON, error("UNSUPPORTED")), Absent(), id="unsupported"),
        pytest.param(Answer(405), Absent(), id="no such method"),
    ],
)
def test_referrers_are_a_list_or_there_is_no_api(answer: Answer, expected: bytes | Absent) -> None:
    assert referrers_in(answer, PINNED) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, headers(media_type="text/html"), BODY), id="a page"),
        pytest.param(
            Answer(200, headers(media_type=OCI_INDEX), BODY, is_whole=False), id="too large"
        ),
        pytest.param(Answer(401, JSON, error("UNAUTHORIZED")), id="no login"),
        pytest.param(Answer(403, JSON, error("DENIED")), id="denied"),
        pytest.param(Answer(503), id="503"),
    ],
)
def test_what_else_is_said_of_referrers_is_unknown(answer: Answer) -> None:
    assert isinstance(referrers_in(answer, PINNED), Unknown)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Answer(201), None, id="taken"),
        pytest.param(Answer(202), None, id="taken later"),
        pytest.param(Answer(400, JSON, error("MANIFEST_INVALID")), "manifest invalid: m", id="400"),
        pytest.param(
            Answer(403, JSON, b'{"errors": [{"code": "DENIED", "message": "not you"}]}'),
            "denied: not you",
            id="denied",
        ),
        pytest.param(Answer(502, HTML), "received unexpected HTTP status: 502", id="502"),
        pytest.param(Answer(400, JSON, b"[]"), "received unexpected HTTP status: 400", id="none"),
    ],
)
def test_what_was_written_is_taken_or_refused_in_skopeos_words(
    answer: Answer, expected: str | None
) -> None:
    assert written_in(answer) == (Refused(expected) if expected else None)


@pytest.mark.parametrize(
    ("answer", "is_over"),
    [
        pytest.param(Answer(429, JSON, error("TOOMANYREQUESTS")), True, id="the pull limit"),
        pytest.param(Answer(429, HTML, b"Too Many Requests"), False, id="too fast"),
        pytest.param(Answer(429), False, id="of a HEAD"),
        pytest.param(Answer(403, JSON, error("TOOMANYREQUESTS")), False, id="no 429"),
    ],
)
def test_a_limit_that_is_reached_has_its_own_code(answer: Answer, is_over: bool) -> None:
    assert is_over_limit(answer) is is_over
