"""Each blob is sent once to a target, whatever copies share, and nobody waits in a circle."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from orchestrator.oci.reference import Digest, Reference
from orchestrator.relay.blobs import Begun, Present, Refused, TargetBlobs, Upload
from orchestrator.relay.target import RelayTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.registry.responses import Inconclusive
    from orchestrator.registry.transport import Request
    from orchestrator.system.http import Response

P = ParamSpec("P")
T = TypeVar("T")

ONE = Reference.parse("registry.example/one/app:1")
TWO = Reference.parse("registry.example/two/app:1")
A, B, C = (Digest(f"sha256:{letter * 64}") for letter in "abc")


class AtOnce(Executor):
    """Does what it is given before it returns."""

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:  # type: ignore[override]
        """Do it now."""
        done: Future[T] = Future()
        done.set_result(work(*args, **kwargs))
        return done


class Nobody:
    """A writer that must not be asked."""

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Fail."""
        raise AssertionError(f"{request} of {reference}")

    def round_trips(self) -> Mapping[str, float]:
        """None."""
        return {}


class Target(RelayTarget):
    """A target that knows which repository has which blob, and mounts."""

    def __init__(self, *there: tuple[str, Digest]) -> None:
        super().__init__(Nobody())
        self.there = set(there)
        self.asked: list[tuple[str, Digest, str]] = []

    def begin(self, repository: Reference, digest: Digest, *, mount_from: Reference) -> Begun:
        """Mount it where it is; else an upload."""
        self.asked.append((repository.repository, digest, mount_from.repository))
        if (mount_from.repository, digest) in self.there:
            self.there.add((repository.repository, digest))
            return Present()
        return Upload(repository, f"/upload/{repository.repository}/{digest}")


def blobs_of(target: Target) -> TargetBlobs:
    return TargetBlobs(target, AtOnce())


def test_what_is_there_is_found_without_an_upload() -> None:
    target = Target((ONE.repository, A))
    asked = blobs_of(target).ask_for(0, ONE, [A, B])
    assert isinstance(asked[A].result(0), Present)
    assert isinstance(asked[B].result(0), Upload)


def test_a_blob_that_an_older_copy_sends_is_mounted_once_it_has_arrived() -> None:
    target = Target()
    under_test = blobs_of(target)
    under_test.ask_for(0, ONE, [A])
    later = under_test.ask_for(1, TWO, [A])[A]
    assert not later.done()
    target.there.add((ONE.repository, A))
    under_test.finish(0, ONE, A, arrived=True)
    assert isinstance(later.result(0), Present)
    assert target.asked == [
        (ONE.repository, A, ONE.repository),
        (TWO.repository, A, ONE.repository),
    ]


class Memory:
    """Knows where blobs are, and keeps what it is told."""

    def __init__(self, **places: Digest) -> None:
        self.places = {blob: f"{name}/app" for name, blob in places.items()}

    def blob_place(self, registry: str, blob: Digest) -> str | None:
        """Where it is."""
        assert registry == ONE.registry
        return self.places.get(blob)

    def remember_blob_place(self, registry: str, blob: Digest, repository: str) -> None:
        """Where it is now."""
        assert registry == ONE.registry
        self.places[blob] = repository


@pytest.mark.parametrize(
    ("there", "refuses", "origin", "found"),
    [
        pytest.param("old/app", False, "old/app", Present, id="it is there"),
        pytest.param("gone/app", False, "old/app", Upload, id="it is there no more"),
        pytest.param("old/app", True, ONE.repository, Upload, id="mounts are refused"),
    ],
)
def test_a_blob_that_an_earlier_run_has_sent_is_mounted_from_there(
    there: str, origin: str, found: type[Begun], *, refuses: bool
) -> None:
    target = Target((there, A))
    target.refuses_mounts = refuses
    under_test = TargetBlobs(target, AtOnce(), Memory(old=A))
    asked = under_test.ask_for(0, ONE, [A, B])
    assert isinstance(asked[A].result(0), found)
    assert isinstance(asked[B].result(0), Upload)
    assert target.asked == [(ONE.repository, A, origin), (ONE.repository, B, ONE.repository)]


def test_where_a_large_blob_was_sent_is_remembered() -> None:
    memory = Memory(old=A)
    under_test = TargetBlobs(Target(), AtOnce(), memory)
    under_test.ask_for(0, ONE, [A, B, C])
    for blob, size, arrived in ((A, 10**6, True), (B, 10, True), (C, 10**6, False)):
        under_test.finish(0, ONE, blob, arrived=arrived, size=size)
    assert memory.places == {A: ONE.repository}


def test_a_mount_that_the_target_does_not_make_is_an_upload() -> None:
    target = Target()
    under_test = blobs_of(target)
    under_test.ask_for(0, ONE, [A])
    later = under_test.ask_for(1, TWO, [A])[A]
    under_test.finish(0, ONE, A, arrived=True)
    assert isinstance(later.result(0), Upload)


@pytest.mark.parametrize("ends", ["finish", "give_up"])
def test_where_the_older_copy_fails_the_next_one_sends_it_and_others_wait_for_that(
    ends: str,
) -> None:
    target = Target()
    under_test = blobs_of(target)
    under_test.ask_for(0, ONE, [A])
    second = under_test.ask_for(1, TWO, [A])[A]
    third = under_test.ask_for(2, TWO, [A])[A]
    if ends == "finish":
        under_test.finish(0, ONE, A, arrived=False)
    else:
        under_test.give_up(0)
    assert isinstance(second.result(0), Upload)
    assert not third.done()
    target.there.add((TWO.repository, A))
    under_test.finish(1, TWO, A, arrived=True)
    assert isinstance(third.result(0), Present)


def test_an_older_copy_never_waits_for_a_younger_one() -> None:
    under_test = blobs_of(Target())
    under_test.ask_for(7, TWO, [A])
    assert isinstance(under_test.ask_for(3, ONE, [A])[A].result(0), Upload)


def test_a_blob_that_has_arrived_is_mounted_whoever_sent_it() -> None:
    target = Target()
    under_test = blobs_of(target)
    under_test.ask_for(7, TWO, [A])
    target.there.add((TWO.repository, A))
    under_test.finish(7, TWO, A, arrived=True)
    assert isinstance(under_test.ask_for(3, ONE, [A])[A].result(0), Present)


@pytest.mark.parametrize("is_first_over", [True, False], ids=["older", "younger"])
def test_nobody_waits_for_a_copy_that_has_ended(is_first_over: bool) -> None:
    under_test = blobs_of(Target())
    under_test.ask_for(0, ONE, [A])
    under_test.ask_for(1, TWO, [A])
    third = under_test.ask_for(2, TWO, [A])[A]
    for copy in (0, 1) if is_first_over else (1, 0):
        under_test.give_up(copy)
    assert isinstance(third.result(0), Upload)


def test_what_a_copy_asks_for_after_its_end_keeps_nobody_waiting() -> None:
    under_test = blobs_of(Target())
    under_test.give_up(0)
    assert isinstance(under_test.ask_for(0, ONE, [A])[A].result(0), Refused)
    assert isinstance(under_test.ask_for(1, TWO, [A])[A].result(0), Upload)


def test_copies_are_numbered_in_the_order_of_their_claims() -> None:
    under_test = blobs_of(Target())
    first, of_first, _ = under_test.begin_copy(ONE, [A])
    second, of_second, sending = under_test.begin_copy(TWO, [A])
    assert first < second
    assert [one.done() for one in sending] == [False]
    assert [of_first[A].done(), of_second[A].done()] == [True, False]


def test_copies_that_share_in_another_order_do_not_wait_for_each_other() -> None:
    under_test = blobs_of(Target())
    first = under_test.ask_for(0, ONE, [A, B])
    second = under_test.ask_for(1, TWO, [B, A, C])
    assert [one.done() for one in first.values()] == [True, True]
    assert [second[digest].done() for digest in (A, B, C)] == [False, False, True]


def test_a_retried_copy_asks_anew_for_what_it_did_not_send() -> None:
    under_test = blobs_of(Target())
    under_test.ask_for(0, ONE, [A])
    under_test.give_up(0)
    assert isinstance(under_test.ask_for(1, ONE, [A])[A].result(0), Upload)
