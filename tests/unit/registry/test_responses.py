from __future__ import annotations

import json

import pytest

from orchestrator.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, Descriptor
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.pull_limit import PullLimit, is_over_limit, pull_limit_in
from orchestrator.registry.responses import (
    Inconclusive,
    NotFound,
    WriteRefused,
    blob_in,
    digest_in,
    manifest_in,
    next_page_in,
    referrers_in,
    written_in,
)
from orchestrator.system.http import Response

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
        pytest.param(Response(200, headers()), TAG, DIGEST, id="a digest"),
        pytest.param(
            Response(200, headers(media_type=f"{DOCKER_MANIFEST}; charset=utf-8")),
            TAG,
            DIGEST,
            id="a type with a parameter",
        ),
        pytest.param(Response(200, headers()), PINNED, DIGEST, id="the digest asked for"),
        pytest.param(Response(404), TAG, NotFound(), id="not there"),
        pytest.param(Response(404, JSON), TAG, NotFound(), id="not there, in JSON"),
        pytest.param(Response(404, JSON, error("NAME_UNKNOWN")), TAG, NotFound(), id="with a body"),
    ],
)
def test_a_head_tells_a_digest_or_that_nothing_is_there(
    answer: Response, reference: Reference, expected: Digest | NotFound
) -> None:
    assert digest_in(answer, reference) == expected


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        pytest.param(Response(200, headers(digest="")), TAG, id="no digest"),
        pytest.param(Response(200, headers(digest="sha512:" + "0" * 128)), TAG, id="sha512"),
        pytest.param(Response(200, headers(digest=f"{DIGEST}, {DIGEST}")), TAG, id="two digests"),
        pytest.param(Response(200, headers(digest=DIGEST.upper())), TAG, id="capitals"),
        pytest.param(Response(200, headers(digest=f"{DIGEST}\n")), TAG, id="a newline"),
        pytest.param(Response(200, headers(digest=OTHER)), PINNED, id="another than asked for"),
        pytest.param(Response(200, headers(media_type="")), TAG, id="no type"),
        pytest.param(Response(200, headers(media_type="text/html")), TAG, id="a page"),
        pytest.param(
            Response(
                200, headers(media_type="application/vnd.docker.distribution.manifest.v1+json")
            ),
            TAG,
            id="a converted manifest",
        ),
        pytest.param(Response(404, HTML), TAG, id="a proxy's 404"),
        pytest.param(Response(404, JSON, error("UNAUTHORIZED")), TAG, id="another error's 404"),
        pytest.param(Response(404, JSON, b"not found"), TAG, id="a 404 in words"),
        *(
            pytest.param(Response(status, headers()), TAG, id=str(status))
            for status in (201, 204, 206, 301, 307, 400, 401, 403, 405, 410, 429, 500, 503)
        ),
    ],
)
def test_a_surprise_is_unknown(answer: Response, reference: Reference) -> None:
    found = digest_in(answer, reference)

    assert isinstance(found, Inconclusive)
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        pytest.param(Response(200, headers(), BODY), TAG, BODY, id="a manifest"),
        pytest.param(Response(200, headers(), BODY), PINNED, BODY, id="by digest"),
        pytest.param(
            Response(200, headers(digest=""), BODY), PINNED, BODY, id="its digest is what was asked"
        ),
        pytest.param(Response(404, JSON, error("MANIFEST_UNKNOWN")), TAG, NotFound(), id="no tag"),
        pytest.param(
            Response(404, JSON, error("NAME_UNKNOWN")), TAG, NotFound(), id="no repository"
        ),
        pytest.param(Response(404, JSON, error("NOT_FOUND")), TAG, NotFound(), id="Harbor's word"),
    ],
)
def test_a_get_tells_bytes_or_that_nothing_is_there(
    answer: Response, reference: Reference, expected: bytes | NotFound
) -> None:
    assert manifest_in(answer, reference) == expected


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        pytest.param(Response(200, headers(digest=""), BODY), TAG, id="nothing to check it by"),
        pytest.param(Response(200, headers(digest=OTHER), BODY), TAG, id="another digest"),
        pytest.param(Response(200, headers(digest=OTHER), BODY), PINNED, id="two that disagree"),
        pytest.param(Response(200, headers(), BODY + b" "), TAG, id="other bytes"),
        pytest.param(Response(200, headers(), BODY), TAG.at(OTHER), id="another than asked for"),
        pytest.param(Response(200, headers(), BODY, is_whole=False), TAG, id="too large"),
        pytest.param(Response(200, headers(media_type="text/html"), BODY), TAG, id="a page"),
        pytest.param(Response(404), TAG, id="an empty 404"),
        pytest.param(Response(404, JSON, error("DENIED")), TAG, id="another error"),
        pytest.param(Response(404, JSON, error(5)), TAG, id="a code that is none"),
        pytest.param(Response(404, JSON, b'{"errors": {}}'), TAG, id="no list"),
        pytest.param(Response(404, JSON, b'{"errors": ["NOT_FOUND"]}'), TAG, id="no objects"),
        pytest.param(Response(404, JSON, b"[" * 200_000), TAG, id="a deep one"),
        pytest.param(Response(404, HTML, b"<html>"), TAG, id="a page's 404"),
        pytest.param(Response(403, JSON, error("DENIED")), TAG, id="denied"),
    ],
)
def test_a_get_that_surprises_is_unknown(answer: Response, reference: Reference) -> None:
    assert isinstance(manifest_in(answer, reference), Inconclusive)


BLOB = Descriptor("application/vnd.oci.image.config.v1+json", digest_of(BODY), len(BODY))


@pytest.mark.parametrize(
    ("answer", "is_good"),
    [
        pytest.param(Response(200, {}, BODY), True, id="the blob"),
        pytest.param(Response(200, {}, BODY + b"x"), False, id="longer"),
        pytest.param(Response(200, {}, BODY[:-1]), False, id="shorter"),
        pytest.param(Response(200, {}, BODY[:-1] + b"]"), False, id="another"),
        pytest.param(Response(200, {}, BODY, is_whole=False), False, id="cut"),
        pytest.param(Response(307, {"location": "http://h.io"}, b""), False, id="led on too far"),
        pytest.param(Response(404, {}, b""), False, id="not there"),
    ],
)
def test_a_blob_is_what_its_manifest_says(answer: Response, is_good: bool) -> None:
    found = blob_in(answer, BLOB, registry="h.io")

    assert found == BODY if is_good else isinstance(found, Inconclusive)


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

    assert pull_limit_in(Response(200, told)) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Response(200, headers(media_type=OCI_INDEX), BODY), BODY, id="a list"),
        pytest.param(Response(404, HTML, b"404 page not found"), NotFound(), id="no such API"),
        pytest.param(Response(400, JSON, error("UNSUPPORTED")), NotFound(), id="unsupported"),
        pytest.param(Response(405), NotFound(), id="no such method"),
        pytest.param(
            Response(200, headers(media_type="text/html"), BODY), NotFound(), id="a page of its own"
        ),
    ],
)
def test_referrers_are_a_list_or_there_is_no_api(
    answer: Response, expected: bytes | NotFound
) -> None:
    assert referrers_in(answer, PINNED) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            Response(200, headers(media_type=OCI_INDEX), BODY, is_whole=False), id="too large"
        ),
        pytest.param(Response(401, JSON, error("UNAUTHORIZED")), id="no login"),
        pytest.param(Response(403, JSON, error("DENIED")), id="denied"),
        pytest.param(Response(503), id="503"),
    ],
)
def test_what_else_is_said_of_referrers_is_unknown(answer: Response) -> None:
    assert isinstance(referrers_in(answer, PINNED), Inconclusive)


LIST = "/v2/team/app/referrers/sha256:1"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        pytest.param(None, "", id="no header"),
        pytest.param("", "", id="an empty header"),
        pytest.param(f'<{LIST}?n=2&last=x>; rel="next"', f"{LIST}?n=2&last=x", id="a path"),
        pytest.param(f'<https://other{LIST}?p=2>; rel="next"', f"{LIST}?p=2", id="a URL"),
        pytest.param('<?p=2>; rel="next"', f"{LIST}?p=2", id="a query alone"),
        pytest.param("<?p=2>;rel=next", f"{LIST}?p=2", id="no quotes"),
        pytest.param('<?p=2>; title="a, b"; REL="next"', f"{LIST}?p=2", id="more parameters"),
        pytest.param('</x>; rel="prev", <?p=2>; rel="next"', f"{LIST}?p=2", id="the second link"),
        pytest.param('</x>; rel="prev"', "", id="another relation"),
        pytest.param('</v2/other/referrers/x?p=2>; rel="next"', None, id="another list"),
        pytest.param(f'<{LIST}>; rel="next"', None, id="the same page"),
        pytest.param('<http://[>; rel="next"', None, id="no URL"),
    ],
)
def test_the_next_page_of_a_list_is_the_links(link: str | None, expected: str | None) -> None:
    answer = Response(200, {} if link is None else {"link": link})
    assert next_page_in(answer, path=LIST) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Response(201), None, id="taken"),
        pytest.param(Response(202), None, id="taken later"),
        pytest.param(
            Response(400, JSON, error("MANIFEST_INVALID")), "manifest invalid: m", id="400"
        ),
        pytest.param(
            Response(403, JSON, b'{"errors": [{"code": "DENIED", "message": "not you"}]}'),
            "denied: not you",
            id="denied",
        ),
        pytest.param(Response(502, HTML), "received unexpected HTTP status: 502", id="502"),
        pytest.param(Response(400, JSON, b"[]"), "received unexpected HTTP status: 400", id="none"),
    ],
)
def test_what_was_written_is_taken_or_refused_in_skopeos_words(
    answer: Response, expected: str | None
) -> None:
    assert written_in(answer) == (WriteRefused(expected) if expected else None)


@pytest.mark.parametrize(
    ("answer", "is_over"),
    [
        pytest.param(Response(429, JSON, error("TOOMANYREQUESTS")), True, id="the pull limit"),
        pytest.param(Response(429, HTML, b"Too Many Requests"), False, id="too fast"),
        pytest.param(Response(429), False, id="of a HEAD"),
        pytest.param(Response(403, JSON, error("TOOMANYREQUESTS")), False, id="no 429"),
    ],
)
def test_a_limit_that_is_reached_has_its_own_code(answer: Response, is_over: bool) -> None:
    assert is_over_limit(answer) is is_over
