"""What each version of skopeo says of a registry's refusals, recorded, and what is made of it."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import ErrorKind
from orchestrator.oci.reference import Reference
from orchestrator.skopeo.errors import image_error
from orchestrator.skopeo.failure import SkopeoFailure, side_of
from tests.support.record_words import REGISTRY, REPOSITORY, WORDS
from tests.support.refusals import LOGIN, REFUSALS, STEPS, Refusal

VERSIONS = {path.stem: json.loads(path.read_text("utf-8")) for path in WORDS.glob("*.json")}
IMAGE = Reference.parse(f"{REGISTRY}/{REPOSITORY}:1")


def test_every_version_that_is_supported_has_its_words_recorded() -> None:
    supported = {tuple(map(int, version.split(".")[:2])) for version in VERSIONS}
    assert {(1, 9), (1, 13), (1, 18)} <= supported
    assert max(supported) >= (1, 22)


def test_there_is_a_row_for_each_request_of_a_pull_and_a_push_and_for_a_dozen_registries() -> None:
    registries = {row.name.partition(",")[0] for row in REFUSALS}
    assert (len(REFUSALS) >= 60, len(registries) >= 12) == (True, True)
    assert {row.step for row in REFUSALS} == set(STEPS)
    assert len({row.name for row in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("version", [pytest.param(one, id=one) for one in sorted(VERSIONS)])
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REFUSALS])
def test_a_refusal_is_understood_in_each_versions_words(row: Refusal, version: str) -> None:
    text = VERSIONS[version][row.name]
    error = image_error(SkopeoFailure(text, IMAGE, side_of(text), LOGIN, row.has_login))
    assert (error.kind, error.is_transient) == (row.kind, row.is_transient), text
    assert error.message.partition(" (")[0] == f"{IMAGE}: {row.says}"
    assert error.hint == row.hint_for(IMAGE)
    assert error.kind is not ErrorKind.TOOL


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name) for row in REFUSALS if not row.has_login]
)
def test_a_login_is_in_doubt_only_where_one_was_given(row: Refusal) -> None:
    for words in VERSIONS.values():
        text = words[row.name]
        failure = SkopeoFailure(text, IMAGE, side_of(text), LOGIN, has_login=False)
        error = image_error(failure)
        assert f"check {LOGIN}" not in error.hint
        assert f"that {LOGIN} may" not in error.hint
