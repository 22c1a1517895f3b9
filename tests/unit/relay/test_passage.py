"""What one copy may ask and bring at the relay, and what it is answered."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.responses import Inconclusive
from orchestrator.relay.blobs import TargetBlobs
from orchestrator.relay.branch import Branch
from orchestrator.relay.pace import Pace
from orchestrator.relay.passage import Passage
from orchestrator.relay.target import RelayTarget
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.system.body import BodyStream
from orchestrator.system.http import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.registry.transport import Request

APP = Reference.parse("registry.example/mirror/app:1")
ONE, TWO = b"one layer", b"two layer"
"""Of the same size."""
LONG = b"a longer layer"
MANIFEST = b'{"schemaVersion":2}'


class Registry:
    """A target that takes blobs, as far as it is told to."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.refusal: Response | Inconclusive | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.distance = 1.0
        self.methods: list[str] = []
        self._numbers = itertools.count()
        self.parts: dict[str, bytes] = {}
        """What each upload that is open has brought."""

    def round_trips(self) -> Mapping[str, float]:
        """As far as it is told to be."""
        return {APP.registry: self.distance}

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Answer as the specification has it."""
        self.methods.append(request.method)
        del reference
        body = request.body
        try:
            content = b"".join(body) if isinstance(body, BodyStream) else body or b""
        except ConnectionError:
            return Inconclusive("the connection broke")
        self.gate.wait(5)
        if self.refusal is not None and request.method == "PUT":
            return self.refusal
        path, _, query = request.path.partition("?")
        name = path.rpartition("/")[2]
        if path.startswith("manifests/"):
            self.manifests[name] = content
            return Response(201)
        if request.method == "POST":
            return self._begun(Digest(parse_qs(query).get("mount", [""])[0]))
        content = self.parts.pop(name, b"") + content
        if request.method != "PUT":
            self.parts |= {name: content} if request.method == "PATCH" else {}
            return Response(202, self._place(name))
        digest = Digest(parse_qs(query)["digest"][0])
        is_promised = digest_of(content) == digest
        if is_promised:
            self.blobs[digest] = content
        return Response(201 if is_promised else 400, body=b'{"errors":[{"code":"DIGEST_INVALID"}]}')

    def _begun(self, mount: Digest) -> Response:
        if mount in self.blobs:
            return Response(201)
        name = str(next(self._numbers))
        self.parts[name] = b""
        return Response(202, self._place(name))

    def _place(self, name: str) -> dict[str, str]:
        return {"location": f"/v2/{APP.repository}/blobs/uploads/{name}"}


@pytest.fixture
def registry() -> Registry:
    return Registry()


SIZES = {digest_of(one): len(one) for one in (ONE, TWO, LONG)}


def branch_of(
    registry: Registry, executor: ThreadPoolExecutor, destination: Reference = APP
) -> Branch:
    target = RelayTarget(registry)
    return Branch(destination, SIZES, target, TargetBlobs(target, executor), Pace(None))


def request() -> CopyRequest:
    source = Reference.parse(f"docker.io/library/app@{digest_of(MANIFEST)}")
    return CopyRequest(source, APP, Platform("linux", "amd64"), blobs=SIZES)


@pytest.fixture
def passage(registry: Registry) -> Iterator[Passage]:
    with ThreadPoolExecutor(4) as executor:
        under_test = Passage(request(), branch_of(registry, executor))
        yield under_test
        under_test.close()


def bring(passage: Passage, content: bytes, *, digest: Digest | None = None) -> int:
    """What skopeo does to bring a blob; the status of the last answer."""
    digest = digest or digest_of(content)
    if passage.head_blob(digest).status == 200:
        return 200
    begun = passage.begin_upload("")
    if begun.status != 202:
        return begun.status
    name = begun.headers["Docker-Upload-UUID"]
    taken = passage.receive(name, BodyStream(iter([content]), len(content)))
    return passage.end_upload(name, digest).status if taken.status == 202 else taken.status


def test_blobs_of_one_size_are_told_apart(passage: Passage, registry: Registry) -> None:
    with ThreadPoolExecutor(2) as both:
        assert list(both.map(lambda one: bring(passage, one), (ONE, TWO))) == [201, 201]
    assert passage.put_manifest("1", MANIFEST, "type").status == 201
    assert registry.blobs == {digest_of(one): one for one in (ONE, TWO)}
    assert registry.manifests == {"1": MANIFEST}
    assert set(passage.uploaded) == {digest_of(ONE), digest_of(TWO)}
    assert passage.sent == len(ONE) + len(TWO)


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)], ids=["in order", "the other way"])
def test_blobs_of_one_size_do_not_wait_for_each_other(
    passage: Passage, registry: Registry, order: tuple[bytes, bytes]
) -> None:
    """As skopeo asks where its source is far: for all, before it has a byte of the first."""
    assert [passage.head_blob(digest_of(one)).status for one in (ONE, TWO)] == [404, 404]
    names = {one: passage.begin_upload("").headers["Docker-Upload-UUID"] for one in (ONE, TWO)}
    for one in order:
        body = BodyStream(iter([one]), len(one))
        assert passage.receive(names[one], body).status == 202
    for one in order:
        assert passage.end_upload(names[one], digest_of(one)).status == 201
    assert passage.put_manifest("1", MANIFEST, "type").status == 201
    assert registry.blobs == {digest_of(one): one for one in (ONE, TWO)}


@pytest.mark.parametrize(
    "brought",
    [(), (ONE,), (ONE, TWO), (LONG,)],
    ids=["none", "one of two of a size", "both", "another"],
)
def test_what_was_begun_and_brought_nothing_is_called_off(
    passage: Passage, registry: Registry, brought: tuple[bytes, ...]
) -> None:
    assert passage.head_blob(digest_of(TWO)).status == 404
    assert [bring(passage, one) for one in brought] == [201] * len(brought)
    passage.close()
    assert registry.blobs == {digest_of(one): one for one in brought}
    assert registry.parts == {}


def test_a_blob_that_was_sent_is_there_for_the_next_image_of_an_index(
    passage: Passage, registry: Registry
) -> None:
    assert [bring(passage, LONG), bring(passage, LONG)] == [201, 200]
    assert registry.blobs == {digest_of(LONG): LONG}


def test_the_manifest_waits_for_every_blob(passage: Passage, registry: Registry) -> None:
    assert passage.head_blob(digest_of(LONG)).status == 404
    registry.gate.clear()
    assert bring(passage, LONG) == 201
    with ThreadPoolExecutor(1) as other:
        put = other.submit(passage.put_manifest, "1", MANIFEST, "type")
        assert not registry.manifests
        registry.gate.set()
        assert put.result(5).status == 201
    assert digest_of(LONG) in registry.blobs


def test_the_end_of_a_copy_wakes_whoever_waits_for_a_silent_target(
    passage: Passage, registry: Registry
) -> None:
    """Else the run's own end would wait for it, too."""
    registry.gate.clear()
    assert bring(passage, LONG) == 201
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(passage.put_manifest, "1", MANIFEST, "type")
        passage.close()
        assert answer.result(1).status == 502
        registry.gate.set()
    assert registry.manifests == {}
    assert passage.uploaded == ()


def test_a_refused_blob_keeps_its_manifest_back(passage: Passage, registry: Registry) -> None:
    registry.refusal = Response(403, {"content-type": "application/json"}, b"no")
    assert bring(passage, LONG) == 201
    reply = passage.put_manifest("1", MANIFEST, "type")
    assert (reply.status, reply.body) == (403, b"no")
    assert not registry.manifests


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Inconclusive("it can't be reached"), id="none"),
        pytest.param(Response(200, {"content-type": "text/html"}, b"<html>"), id="a page"),
        pytest.param(Response(302), id="a redirect"),
    ],
)
def test_what_is_no_answer_is_never_a_success(
    passage: Passage, registry: Registry, answer: Response | Inconclusive
) -> None:
    registry.refusal = answer
    assert passage.put_manifest("1", MANIFEST, "type").status == 502
    assert passage.fault is not None


def test_what_is_there_is_not_brought(passage: Passage, registry: Registry) -> None:
    registry.blobs[digest_of(b"base")] = b"base"
    reply = passage.begin_upload("")
    assert reply.status == 202
    assert passage.head_blob(digest_of(b"base")).status == 404, "its size is not known"
    assert bring(passage, LONG) == 201


def test_other_bytes_than_were_promised_are_refused(passage: Passage, registry: Registry) -> None:
    assert passage.head_blob(digest_of(LONG)).status == 404
    name = passage.begin_upload("").headers["Docker-Upload-UUID"]
    passage.receive(name, BodyStream(iter([b"x" * len(LONG)]), len(LONG)))
    assert passage.end_upload(name, digest_of(ONE)).status == 400
    assert passage.end_upload(name, digest_of(LONG)).status == 201
    assert passage.put_manifest("1", MANIFEST, "type").status == 400
    assert not registry.manifests


def test_what_a_conversion_brings_is_taken_with_its_digest(
    passage: Passage, registry: Registry
) -> None:
    name = passage.begin_upload("").headers["Docker-Upload-UUID"]
    assert passage.receive(name, BodyStream(iter([b"a new config"]), None)).status == 202
    assert passage.end_upload(name, digest_of(b"a new config")).status == 201
    assert registry.blobs[digest_of(b"a new config")] == b"a new config"


@pytest.mark.parametrize(
    ("reference", "status"),
    [("1", 201), ("2", 403), (digest_of(MANIFEST), 403), (digest_of(b"other"), 403)],
)
def test_a_copy_writes_its_own_tag_and_no_other(
    passage: Passage, registry: Registry, reference: str, status: int
) -> None:
    assert passage.put_manifest(reference, MANIFEST, "type").status == status
    assert set(registry.manifests) == ({"1"} if status == 201 else set())


def test_no_other_manifest_is_put_in_the_place_of_one_that_was_refused(
    passage: Passage, registry: Registry
) -> None:
    """As a skopeo tries that can't be told to keep digests."""
    registry.refusal = Response(415)
    assert passage.put_manifest("1", MANIFEST, "type").status == 415
    registry.refusal = None
    refused = passage.put_manifest("1", b'{"schemaVersion":2,"converted":true}', "another type")
    assert (refused.status, b"MANIFEST_INVALID" in refused.body) == (400, True)
    assert not registry.manifests


def test_a_manifest_by_digest_is_written_once_and_tried_again_where_it_was_refused(
    registry: Registry,
) -> None:
    target = RelayTarget(registry)
    child = APP.at(digest_of(MANIFEST))
    answers = []
    for refusal in (Response(500), None, Response(500)):
        registry.refusal = refusal
        answer = target.put_manifest(child, MANIFEST, "type")
        assert isinstance(answer, Response)
        answers.append(answer.status)
    assert answers == [500, 201, 201]


@pytest.mark.parametrize(
    ("distance", "methods"),
    [
        pytest.param(0.001, ["PATCH", "PUT"], id="near: as from any client"),
        pytest.param(0.25, ["PUT"], id="far: in one trip"),
    ],
)
def test_a_blob_goes_in_one_request_where_trips_count(
    passage: Passage, registry: Registry, distance: float, methods: list[str]
) -> None:
    registry.distance = distance
    assert passage.head_blob(digest_of(LONG)).status == 404
    name = passage.begin_upload("").headers["Docker-Upload-UUID"]
    registry.methods.clear()
    passage.receive(name, BodyStream(iter([LONG]), len(LONG)))
    assert passage.end_upload(name, digest_of(LONG)).status == 201
    assert passage.put_manifest("1", MANIFEST, "type").status == 201
    assert registry.methods == [*methods, "PUT"]
    assert LONG in registry.blobs.values()


def test_an_upload_that_breaks_off_is_none(passage: Passage, registry: Registry) -> None:
    def broken() -> Iterator[bytes]:
        yield LONG[:3]
        raise ConnectionError

    assert passage.head_blob(digest_of(LONG)).status == 404
    name = passage.begin_upload("").headers["Docker-Upload-UUID"]
    with pytest.raises(ConnectionError):
        passage.receive(name, BodyStream(broken(), len(LONG)))
    assert passage.put_manifest("1", MANIFEST, "type").status == 502
    assert not registry.blobs


# Several targets


ELSEWHERE = Reference.parse("other.example/mirror/app:latest")


@dataclass
class Feeding:
    """A copy to one target that feeds another one."""

    own: Registry
    other: Registry
    branch: Branch
    passage: Passage

    def bring_all(self) -> int:
        """What skopeo does; the status of the manifest."""
        for one in (ONE, TWO, LONG):
            assert bring(self.passage, one) in (200, 201)
        status = self.passage.put_manifest("1", MANIFEST, "type").status
        self.passage.close()
        return status


@pytest.fixture
def feeding(registry: Registry) -> Iterator[Feeding]:
    other = Registry()
    with ThreadPoolExecutor(4) as executor:
        branch = branch_of(other, executor, ELSEWHERE)
        own = branch_of(registry, executor)
        passage = Passage(request(), own, [branch], patience_with_others=1)
        yield Feeding(registry, other, branch, passage)


ALL = {digest_of(one): one for one in (ONE, TWO, LONG)}


@pytest.mark.parametrize("distance", [0.001, 0.25], ids=["near", "far"])
@pytest.mark.parametrize(
    ("own", "other"),
    [
        pytest.param((), (), id="neither has any"),
        pytest.param((ONE,), (), id="the target has one"),
        pytest.param((), (ONE, LONG), id="the other one has two"),
        pytest.param((LONG,), (TWO,), id="each has another one"),
        pytest.param((ONE, TWO, LONG), (), id="the target has all"),
    ],
)
def test_one_copy_brings_each_target_what_it_lacks(
    registry: Registry, own: tuple[bytes, ...], other: tuple[bytes, ...], distance: float
) -> None:
    second = Registry()
    registry.distance = second.distance = distance
    registry.blobs |= {digest_of(one): one for one in own}
    second.blobs |= {digest_of(one): one for one in other}
    with ThreadPoolExecutor(4) as executor:
        branch = branch_of(second, executor, ELSEWHERE)
        passage = Passage(request(), branch_of(registry, executor), [branch])
        feeding = Feeding(registry, second, branch, passage)
        assert feeding.bring_all() == 201
    assert (registry.blobs, second.blobs) == (ALL, ALL)
    assert (registry.manifests, second.manifests) == ({"1": MANIFEST}, {"latest": MANIFEST})
    assert (registry.parts, second.parts) == ({}, {}), "no upload is left open"
    assert (branch.takes_part, branch.written) == (True, digest_of(MANIFEST))


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(Response(403), id="it refuses"),
        pytest.param(Inconclusive("it can't be reached"), id="it gives no answer"),
    ],
)
def test_a_target_that_fails_is_let_go_and_harms_nobody(
    feeding: Feeding, refusal: Response | Inconclusive
) -> None:
    feeding.other.refusal = refusal
    assert feeding.bring_all() == 201
    assert feeding.own.blobs == ALL
    assert feeding.passage.fault is None
    assert (feeding.branch.takes_part, feeding.branch.written) == (False, None)
    assert feeding.other.manifests == {}


def test_a_target_whose_upload_does_not_end_is_let_go(feeding: Feeding) -> None:
    assert bring(feeding.passage, LONG) == 201
    feeding.other.gate.clear()
    assert bring(feeding.passage, ONE) == 201
    assert feeding.passage.put_manifest("1", MANIFEST, "type").status == 201
    assert feeding.own.manifests == {"1": MANIFEST}
    assert feeding.other.manifests == {}
    feeding.other.gate.set()
    feeding.passage.close()


def test_who_takes_no_bytes_does_not_keep_others_waiting() -> None:
    pieces = [bytes([n]) for n in range(50)]
    body = BodyStream(iter(pieces), len(pieces))
    taker, idler = body.shared(2)
    idler.patience = 0.1
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(lambda: list(taker))
        body.read_to_end()
        assert taken.result(5) == pieces
    with pytest.raises(ConnectionError):
        list(idler)


def test_where_the_own_target_fails_that_is_what_is_heard(feeding: Feeding) -> None:
    feeding.own.refusal = Response(403)
    assert bring(feeding.passage, LONG) == 201, "the manifest will tell"
    assert feeding.passage.put_manifest("1", MANIFEST, "type").status == 403
    feeding.passage.close()
    assert feeding.own.manifests == {}
