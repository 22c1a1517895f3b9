"""Targets: the registry namespaces we write to, and what each kind of registry insists on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """The rules of one kind of registry, beyond the distribution specification's.

    Attributes:
        is_one_level: Repositories are one name below the namespace, without a slash.
        lowers_names: Names given in capitals are written in lower case, not refused.
        refuses_attestations: BuildKit's attestation manifests can't be pushed.
        wants_docker_types: OCI manifests are refused; Docker's own are taken.
    """

    name: str
    is_one_level: bool = False
    lowers_names: bool = False
    refuses_attestations: bool = False
    wants_docker_types: bool = False


GENERIC = Profile("generic")
ALIYUN_PERSONAL = Profile("aliyun", is_one_level=True, refuses_attestations=True)
ALIYUN_ENTERPRISE = Profile("aliyun-enterprise")
GHCR = Profile("ghcr", lowers_names=True)
SWR = Profile("swr", wants_docker_types=True)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile for profile in (GENERIC, ALIYUN_PERSONAL, ALIYUN_ENTERPRISE, GHCR, SWR)
}

_ALIYUN_ENTERPRISE_HOST = re.compile(r"[a-z0-9-]+-registry(-vpc)?\.[a-z0-9-]+\.cr\.aliyuncs\.com")


def aliyun_profile(registry: str) -> Profile:
    """Tell the editions of Aliyun's registry apart by their host names.

    An Enterprise instance is `INSTANCE-registry.REGION.cr.aliyuncs.com`; whatever else is
    taken for the personal edition, whose rules are the stricter ones.
    """
    is_enterprise = _ALIYUN_ENTERPRISE_HOST.fullmatch(registry.lower())
    return ALIYUN_ENTERPRISE if is_enterprise else ALIYUN_PERSONAL


@dataclass(frozen=True)
class Target:
    """One namespace of one registry that images are mirrored into.

    Attributes:
        name: What the user calls it: `aliyun`, `ghcr`, or a name from targets.toml.
        registry: Host, with its port if it has one.
        namespace: Path below the host; may be empty, or hold slashes.
        naming: `flat`, `nested`, or a template of the repository's name.
        is_insecure: Plain HTTP or unverified TLS is accepted.
        ca: A PEM file of the authority that signed the registry's certificate.
        jobs: How many copies may be made here at once; None is the run's own limit.
    """

    name: str
    registry: str
    namespace: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    naming: str = "flat"
    profile: Profile = GENERIC
    is_insecure: bool = False
    ca: Path | None = None
    jobs: int | None = None

    @property
    def base(self) -> str:
        """What every destination here starts with."""
        return f"{self.registry}/{self.namespace}" if self.namespace else self.registry
