"""Seals: who did not write a row can't make one that holds."""

from __future__ import annotations

import pytest

from orchestrator.config.settings import Login
from orchestrator.state.seals import Seals

ONE = Login("registry.example", "me", "one")
TWO = Login("ghcr.io", "me", "two")
NOBODY = Seals()


def test_a_seal_holds_for_the_very_texts_that_were_sealed() -> None:
    for seals in (NOBODY, Seals([ONE]), Seals([ONE, TWO])):
        seal = seals.make("a", "b")
        assert seals.holds(seal, "a", "b")
        assert not seals.holds(seal, "a", "c")
        assert not seals.holds(seal, "b", "a")
        assert not seals.holds(seal, "a")
        assert not seals.holds("", "a", "b")
        assert not seals.holds("é", "a", "b")


@pytest.mark.parametrize(
    ("maker", "reader", "holds"),
    [
        pytest.param([ONE], [ONE, TWO], True, id="one of the logins"),
        pytest.param([TWO], [ONE, TWO], True, id="the other login"),
        pytest.param([ONE, TWO], [ONE], True, id="sealed with the first"),
        pytest.param([ONE, TWO], [TWO], False, id="not sealed with the second"),
        pytest.param([], [ONE], False, id="anybody's"),
        pytest.param([ONE], [], False, id="no login any more"),
        pytest.param(
            [Login("registry.example", "me", "guessed")], [ONE], False, id="another password"
        ),
        pytest.param([Login("registry.example", "you", "one")], [ONE], False, id="another user"),
        pytest.param([Login("other.example", "me", "one")], [ONE], False, id="another registry"),
    ],
)
def test_a_seal_holds_under_the_logins_that_there_are(
    maker: list[Login], reader: list[Login], holds: bool
) -> None:
    assert Seals(reader).holds(Seals(maker).make("a"), "a") is holds


def test_a_seal_does_not_show_the_password() -> None:
    assert "one" not in Seals([ONE]).make("a")
    assert "one" not in repr(Seals([ONE]).__dict__)


def test_any_text_can_be_sealed() -> None:
    odd = Login("r", "\ud800", "\udcff")
    assert Seals([odd]).holds(Seals([odd]).make("\ud800", ""), "\ud800", "")
