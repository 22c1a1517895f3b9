"""A login that a registry takes for wrong is asked about once, and said in its own words."""

from __future__ import annotations

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Reference
from orchestrator.registry.refused_logins import RefusedLogins

SOURCE = Reference.parse("quay.io/a/b:1")
MIRROR = Reference.parse("registry.example.com/mine/b:1")
OTHER = Reference.parse("registry.example.com/mine/c:1")


class Registry:
    """Takes every login for wrong, or none, and counts how often it is asked."""

    def __init__(self, *, refuses: bool) -> None:
        self.asked = 0
        self._refuses = refuses

    def __call__(self, _: Reference) -> bool:
        self.asked += 1
        return self._refuses


def unauthorized(registry: str, kind: ErrorKind = ErrorKind.UNAUTHORIZED) -> ImageError:
    return ImageError(
        kind, "b:1: it is not there, or the login may not reach it", registry=registry
    )


def test_a_refused_login_is_said_and_nobody_else_asks() -> None:
    registry = Registry(refuses=True)
    refused = RefusedLogins(registry, lambda host: f"the login to {host}")
    assert refused.known(MIRROR, SOURCE) is None
    error = refused.explained(unauthorized(MIRROR.registry), MIRROR, SOURCE)
    assert error.message == (
        "registry.example.com refuses the login: user name or password is wrong"
    )
    assert error.hint == "check the login to registry.example.com"
    assert refused.known(OTHER, SOURCE) is error
    assert refused.explained(unauthorized(MIRROR.registry), OTHER, SOURCE) is error
    assert registry.asked == 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(unauthorized("registry.example.com"), id="a good login"),
        pytest.param(unauthorized("docker.io"), id="another registry"),
        pytest.param(unauthorized("quay.io", ErrorKind.DENIED), id="another kind"),
    ],
)
def test_any_other_refusal_is_the_images_own(error: ImageError) -> None:
    refused = RefusedLogins(Registry(refuses=False), str)
    assert refused.explained(error, MIRROR, SOURCE) is error
    assert refused.known(MIRROR, SOURCE) is None
