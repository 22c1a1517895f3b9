"""The programs that images are pulled with, and their commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PullClient:
    """A program that pulls images.

    Attributes:
        pull: Its command; `{address}` is the mirror's.
        retag: The commands after which the image bears its own name, `{name}`, too.
        login: What a private repository wants first; `{host}` is the registry.
        wants_full_names: Whether it knows `docker.io/library/redis:7`, and no `redis:7`.
    """

    name: str
    pull: str
    retag: str
    login: str
    wants_full_names: bool = False


CLIENTS = (
    PullClient(
        "docker",
        "docker pull {address}",
        "docker pull {address}\ndocker tag {address} {name}",
        "docker login {host}",
    ),
    PullClient(
        "podman",
        "podman pull {address}",
        "podman pull {address}\npodman tag {address} {name}",
        "podman login {host}",
        wants_full_names=True,
    ),
    PullClient(
        "nerdctl",
        "nerdctl pull {address}",
        "nerdctl pull {address}\nnerdctl tag {address} {name}",
        "nerdctl login {host}",
    ),
    PullClient(
        "ctr",
        "ctr images pull {address}",
        "ctr images pull {address}\nctr images tag {address} {name}",
        "ctr images pull --user NAME {address}",
        wants_full_names=True,
    ),
    PullClient(
        "skopeo",
        "skopeo copy docker://{address} docker-daemon:{address}",
        "skopeo copy docker://{address} docker-daemon:{name}",
        "skopeo login {host}",
    ),
)
"""The first one is the one that a page begins with."""
