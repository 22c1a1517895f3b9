"""Which hosts are left alone: those that nobody gets an answer from, and no others."""

from __future__ import annotations

import time

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.registry.health import HostHealth

HOST = "quay.example"


def silent(health: HostHealth, times: int) -> None:
    for _ in range(times):
        health.was_silent(HOST, since=time.monotonic())


def test_a_host_that_has_failed_its_tries_is_asked_no_more() -> None:
    health = HostHealth(3)
    silent(health, 2)
    health.check(HOST)
    silent(health, 1)
    with pytest.raises(ImageError) as refused:
        health.check(HOST)
    assert refused.value.kind is ErrorKind.TIMEOUT
    assert not refused.value.is_transient
    assert HOST in refused.value.message
    health.check("other.example")


def test_questions_that_were_asked_together_are_one_silence() -> None:
    health = HostHealth(2)
    began = time.monotonic()
    for _ in range(30):
        health.was_silent(HOST, since=began)
    health.check(HOST)


def test_an_answer_in_between_sets_it_right() -> None:
    health = HostHealth(2)
    silent(health, 1)
    assert health.is_suspect(HOST)
    health.answered(HOST)
    silent(health, 1)
    health.check(HOST)
    assert health.is_proven(HOST)


def test_a_host_that_still_says_who_it_is_is_asked_on() -> None:
    asked: list[str] = []
    health = HostHealth(1)

    def is_alive(host: str) -> bool:
        asked.append(host)
        return True

    health.ask_last_by(is_alive)
    silent(health, 3)
    health.check(HOST)
    assert asked == [HOST] * 3


def test_nobody_is_given_up_where_nobody_counts() -> None:
    health = HostHealth()
    silent(health, 100)
    health.check(HOST)
