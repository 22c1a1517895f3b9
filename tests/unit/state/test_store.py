"""The state, with real database files: whatever becomes of them, no run is stopped or misled."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.config.settings import Login
from orchestrator.oci.reference import Digest, digest_of
from orchestrator.plan.decision import KnownImage
from orchestrator.registry.challenge import Challenge, KnownChallenge
from orchestrator.report.result import Speed, Totals
from orchestrator.state.seals import Seals
from orchestrator.state.store import State
from tests.support.reports import (
    STARTED,
    a_report,
    bad_line,
    copied,
    deferred,
    failed,
    skipped,
)

INDEX, CHILD, CONFIG, OTHER = (digest_of(text) for text in (b"index", b"child", b"config", b"o"))
AMD64 = KnownImage(CHILD, "linux/amd64", CONFIG, "2024-01-01T00:00:00Z")
DESTINATION = "registry.example/mine/redis:7"


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    with closing(State(folder, busy_timeout=0.02)) as state:
        yield state


def filled(folder: Path) -> Path:
    """A database with all that a run may leave; enough of it for several pages."""
    with opened(folder) as state:
        for number in range(300):
            state.remember_expected(digest_of(b"%d" % number), "linux/amd64", AMD64)
        state.remember_expected(INDEX, "linux/amd64", AMD64)
        state.remember_converted(DESTINATION, CHILD, OTHER)
        state.record(a_report(copied(), failed()))
        assert state.warnings == ()
    return folder / "state.db"


def aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".damaged-" in path.name)


# What is remembered


def test_what_was_never_found_out_is_not_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") is None
        assert state.converted(DESTINATION, CHILD) is None
        assert state.runs() == ()
        assert state.results("none") == ()
        assert state.warnings == ()


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(AMD64, id="one platform"),
        pytest.param(KnownImage(INDEX, "all"), id="a whole index has no config"),
        pytest.param(KnownImage(CHILD, "", None, "'; DROP TABLE expected; --"), id="odd words"),
    ],
)
def test_what_follows_from_an_index_is_remembered(found: KnownImage, tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.remember_expected(INDEX, "linux/amd64", found)
        assert state.expected(INDEX, "linux/amd64") == found
        assert state.expected(INDEX, "linux/arm64") is None
        assert state.expected(CHILD, "linux/amd64") is None
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") == found


def test_what_a_source_became_is_remembered_for_each_destination(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path) as state:
            state.remember_converted(DESTINATION, CHILD, OTHER)
            state.remember_converted(f"{DESTINATION}-alpine", CHILD, CONFIG)
    with opened(tmp_path) as state:
        assert state.converted(DESTINATION, CHILD) == OTHER
        assert state.converted(f"{DESTINATION}-alpine", CHILD) == CONFIG
        assert state.converted(DESTINATION, INDEX) is None


def test_the_latest_word_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.remember_converted(DESTINATION, CHILD, OTHER)
        state.flush()
        state.remember_converted(DESTINATION, CHILD, CONFIG)
        assert state.converted(DESTINATION, CHILD) == CONFIG
        state.flush()
        assert state.converted(DESTINATION, CHILD) == CONFIG


def test_facts_are_written_in_batches(tmp_path: Path) -> None:
    with opened(tmp_path) as state, opened(tmp_path) as other:
        for number in range(499):
            state.remember_expected(digest_of(b"%d" % number), "all", AMD64)
        assert other.expected(digest_of(b"0"), "all") is None
        state.remember_expected(INDEX, "all", AMD64)
        assert other.expected(digest_of(b"0"), "all") == AMD64


def test_many_threads_share_it(tmp_path: Path) -> None:
    digests = [digest_of(b"%d" % number) for number in range(1200)]
    with opened(tmp_path) as state, ThreadPoolExecutor(16) as pool:
        for digest in digests[:600]:
            state.remember_expected(digest, "all", KnownImage(digest, "all"))

        def work(digest: Digest) -> KnownImage | None:
            state.remember_expected(digest, "all", KnownImage(digest, "all"))
            return state.expected(digest, "all")

        found = list(pool.map(work, digests))
    assert found == [KnownImage(digest, "all") for digest in digests]
    assert state.warnings == ()


@pytest.mark.parametrize(
    "children", [pytest.param((), id="none"), pytest.param((CHILD, OTHER), id="two")]
)
def test_what_a_manifest_names_is_remembered(children: tuple[Digest, ...], tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.remember_children(INDEX, children)
    with opened(tmp_path) as state:
        assert state.children(INDEX) == children
        assert state.children(CHILD) is None


def test_who_filled_a_destination_last_is_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.remember_writer(DESTINATION, "redis:7")
        state.flush()
        state.remember_writer(DESTINATION, "bitnami/redis:7")
    with opened(tmp_path) as state:
        assert state.writer(DESTINATION) == "bitnami/redis:7"
        assert state.writer(f"{DESTINATION}-alpine") is None


# Facts of others


LOGIN = Login("registry.example", "me", "correct horse")


BEARER = KnownChallenge(Challenge("bearer", "https://auth.example/token", "service"), 1.7e9)
BASIC, NOTHING = replace(BEARER, challenge=Challenge("basic")), replace(BEARER, challenge=None)


@pytest.mark.parametrize("known", [BEARER, BASIC, NOTHING], ids=["bearer", "basic", "nothing"])
@pytest.mark.parametrize("logins", [(), (LOGIN,)], ids=["no login", "a login"])
def test_who_wants_a_login_is_remembered_but_for_what_anybody_may_have_made_up(
    known: KnownChallenge, logins: tuple[Login, ...], tmp_path: Path
) -> None:
    seals = Seals(logins)
    with closing(State(tmp_path, seals=seals)) as state:
        state.remember_challenge("registry.example", known, has_login=True)
    with closing(State(tmp_path, seals=seals)) as state:
        found = state.challenge("registry.example", has_login=True)
        assert found == (known if logins or known is NOTHING else None)
        assert state.challenge("registry.example", has_login=False) is None
        assert state.challenge("other.example", has_login=True) is None
    with closing(State(tmp_path, seals=Seals((replace(LOGIN, password="another"),)))) as state:
        assert state.challenge("registry.example", has_login=True) is None


def test_a_fact_that_somebody_else_wrote_is_no_fact(tmp_path: Path) -> None:
    filled(tmp_path)
    seals = Seals([LOGIN])
    with closing(State(tmp_path, seals=seals)) as state:
        assert state.expected(INDEX, "linux/amd64") is None
        assert state.converted(DESTINATION, CHILD) is None
        assert len(state.runs()) == 1
        state.remember_expected(INDEX, "linux/amd64", AMD64)
        assert state.warnings == ()
    with closing(State(tmp_path, seals=seals)) as state:
        assert state.expected(INDEX, "linux/amd64") == AMD64
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") is None
        assert state.warnings == ()


def test_a_seal_of_one_kind_of_fact_is_none_of_another(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.remember_converted(DESTINATION, CHILD, OTHER)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO writers SELECT destination, digest, seal FROM converted")
    with opened(tmp_path) as state:
        assert state.writer(DESTINATION) is None


def test_the_database_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled(tmp_path), isolation_level=None)) as connection:
        for table in ("children", "writers", "speeds", "images", "challenges", "blob_places"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    with opened(tmp_path) as state:
        state.remember_writer(DESTINATION, "redis:7")
        state.remember_speed("registry.example", Speed(5_000, 1.5))
        state.remember_blob_place("registry.example", CHILD, "mirror/app")
        assert len(state.runs()) == 1
        assert state.expected(INDEX, "linux/amd64") == AMD64
    with opened(tmp_path) as state:
        assert state.writer(DESTINATION) == "redis:7"
        assert state.speed("registry.example") == Speed(5_000, 1.5)
        assert state.blob_place("registry.example", CHILD) == "mirror/app"
        assert state.blob_place("other.example", CHILD) is None
        assert state.warnings == ()


# History


def test_a_run_is_recorded_with_what_it_changed(tmp_path: Path) -> None:
    report = a_report(
        replace(copied(), source_digest=INDEX, digest=CHILD, seconds=1.2345, attempts=2),
        skipped(),
        failed(message="hidden"),
        deferred(),
        problems=(bad_line(),),
    )
    with opened(tmp_path) as state:
        state.record(report)
    with opened(tmp_path) as state:
        (run,) = state.runs()
        results = state.results(report.run_id)

    assert (run.run_id, run.started, run.finished) == (report.run_id, STARTED, report.finished)
    assert (run.mode, run.version, run.exit_status) == (report.mode, "0.1.0", 1)
    assert run.totals == report.totals
    assert isinstance(run.totals, Totals)
    assert [result.outcome for result in results] == ["copied", "failed", "deferred"]
    assert results[0].source == "docker.io/library/nginx:alpine"
    assert (results[0].digest, results[0].digest_before) == (CHILD, "")
    assert (results[0].seconds, results[0].attempts) == (1.234, 2)
    assert results[1].reason == "not-found"
    assert b"hidden" not in (tmp_path / "state.db").read_bytes()


def test_what_a_run_saw_of_each_image_is_kept_and_completes_the_next_report(
    tmp_path: Path,
) -> None:
    first = replace(copied(), digest=CHILD, size=7, platforms=("linux/amd64", "linux/arm64"))
    second = replace(skipped("nginx:alpine"), digest=CHILD)
    later = STARTED + timedelta(days=1)
    with opened(tmp_path) as state:
        state.record(a_report(first, failed()))
    with opened(tmp_path) as state:
        report = state.record(replace(a_report(second), run_id="second", finished=later))
        images = {image.source: image for image in state.images()}
    (result,) = report.results
    assert (result.size, result.platforms) == (7, ("linux/amd64", "linux/arm64"))
    assert result.changed == a_report().finished
    seen = images["docker.io/library/nginx:alpine"]
    assert (seen.outcome, seen.changed, seen.checked) == ("skipped", a_report().finished, later)
    assert images["docker.io/library/nginx:nope"].digest == ""
    assert b"there is no such tag" not in (tmp_path / "state.db").read_bytes()


def test_a_run_is_recorded_once(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.record(a_report(copied(), failed()))
        state.record(a_report(copied()))

        assert len(state.runs()) == 1
        assert len(state.results(a_report().run_id)) == 1


def test_the_oldest_runs_go(tmp_path: Path) -> None:
    with closing(State(tmp_path, most_runs=10)) as state:
        for number in range(13):
            started = STARTED + timedelta(minutes=number)
            state.record(replace(a_report(copied()), run_id=f"run {number}", started=started))

        assert [run.run_id for run in state.runs(2)] == ["run 12", "run 11"]
        assert len(state.runs(5000)) == 10
        assert [len(state.results(f"run {number}")) for number in (2, 3)] == [0, 1]


# What may become of the file


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def truncate_within_the_first_page(path: Path) -> None:
    os.truncate(path, 1000)


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 1000)


def overwrite_all_but_the_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def turn_bits_in_every_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(4096 + 50, len(content), 97):
        content[place] ^= 0x10
    path.write_bytes(content)


def change_digests(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(CHILD.encode(), INDEX.encode()))


def drop_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE expected")


def put_another_program_in(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (something)")


def make_it_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "harm",
    [
        lose,
        empty,
        truncate,
        truncate_within_the_first_page,
        overwrite,
        overwrite_all_but_the_header,
        turn_bits_in_every_page,
        change_digests,
        drop_a_table,
        put_another_program_in,
        make_it_newer,
    ],
    ids=lambda harm: harm.__name__,
)
def test_harm_between_runs_costs_time_and_never_truth(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    harm(filled(tmp_path))
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") in (None, AMD64)
        assert state.converted(DESTINATION, CHILD) in (None, OTHER)
        state.remember_expected(INDEX, "linux/amd64", AMD64)
        state.record(a_report(copied()))
        assert state.expected(INDEX, "linux/amd64") == AMD64
        said = state.warnings
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") == AMD64
        assert [run.run_id for run in state.runs()] == [a_report().run_id]
        assert state.warnings == ()

    is_silent = harm in (lose, empty, change_digests)  # a seal that is broken is no fact's
    assert len(said) == (0 if is_silent else 1)
    assert bool(aside(tmp_path)) is not is_silent
    assert all("it is set aside as state.db.damaged-" in warning for warning in said)


def test_a_newer_programs_database_is_kept_for_it(tmp_path: Path) -> None:
    make_it_newer(filled(tmp_path))
    with opened(tmp_path) as state:
        (said,) = state.warnings

    assert said.startswith(f"{tmp_path}/state.db was made by a newer version: ")
    (name,) = aside(tmp_path)
    with closing(sqlite3.connect(tmp_path / name)) as connection:
        assert connection.execute("SELECT count(*) FROM expected").fetchone() == (301,)


@pytest.mark.parametrize("harm", [truncate, overwrite, turn_bits_in_every_page, lose])
def test_harm_during_a_run_loses_nothing_that_the_run_found_out(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    path = filled(tmp_path)
    with opened(tmp_path) as state:
        harm(path)
        state.remember_expected(OTHER, "all", AMD64)
        state.record(a_report(copied()))
        for number in range(300):
            digest = digest_of(b"%d" % number)
            assert state.expected(digest, "linux/amd64") in (None, AMD64)
        assert state.expected(OTHER, "all") in (None, AMD64)
        state.remember_expected(OTHER, "all", AMD64)
        assert state.expected(OTHER, "all") == AMD64


@contextmanager
def held(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_database_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with held(path), opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") == AMD64
        state.remember_expected(INDEX, "all", AMD64)
        state.record(a_report(copied()))

        assert state.expected(INDEX, "all") == AMD64
        assert len(state.runs()) == 1
        (said,) = state.warnings
    assert said == f"{path} can't be used: database is locked; this run does without it"
    assert aside(tmp_path) == []
    with opened(tmp_path) as state:
        assert state.expected(INDEX, "linux/amd64") == AMD64
        assert state.expected(INDEX, "all") is None


def test_a_database_that_is_held_for_itself_is_done_without(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with opened(tmp_path) as state:
            assert state.expected(INDEX, "linux/amd64") is None
            state.remember_expected(INDEX, "linux/amd64", AMD64)
            state.flush()
            assert state.expected(INDEX, "linux/amd64") == AMD64
            assert "database is locked" in state.warnings[0]
        other.execute("ROLLBACK")
    assert aside(tmp_path) == []


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(Path("/proc/state"), id="nobody may write there"),
        pytest.param(Path("/dev/null/state"), id="that is no folder"),
    ],
)
def test_a_folder_that_can_not_be_written_is_done_without(place: Path) -> None:
    with opened(place) as state:
        state.remember_expected(INDEX, "linux/amd64", AMD64)
        state.record(a_report(copied()))

        assert state.expected(INDEX, "linux/amd64") == AMD64
        assert len(state.runs()) == 1
        (said,) = state.warnings
    assert said.startswith(f"{place}/state.db can't be used: ")


def test_a_database_that_is_a_folder_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with opened(tmp_path) as state:
        state.remember_expected(INDEX, "linux/amd64", AMD64)
        state.flush()

        assert state.expected(INDEX, "linux/amd64") == AMD64
        assert len(state.warnings) == 1


def test_two_that_open_at_once_share_it(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two:
        one.remember_expected(INDEX, "all", AMD64)
        one.flush()
        two.remember_expected(CHILD, "all", AMD64)
        two.flush()

        assert one.expected(CHILD, "all") == two.expected(INDEX, "all") == AMD64
        assert one.warnings == two.warnings == ()
