"""Targets: the registry namespaces we write to, and what each kind of registry insists on."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import FormatError, did_you_mean

FLAT = "flat"
NESTED = "nested"
PACKED = "packed"
RULES = (FLAT, NESTED, PACKED)
ALIYUN_HOSTS = ".aliyuncs.com"
"""How the names of Aliyun's registries end."""
"""The ways of naming that are no template."""

_FIELDS = ("registry", "repository", "name", "platform", "tag")


@dataclass(frozen=True)
class Limits:
    """How much a registry takes; None is no limit that we know of.

    Attributes:
        namespaces: Namespaces, of all targets with this login together.
        repositories: Repositories, of all its namespaces together.
        layers: Layers of one image.
        layer_size: Bytes of one layer, compressed as it is.
    """

    namespaces: int | None = None
    repositories: int | None = None
    layers: int | None = None
    layer_size: int | None = None


NO_LIMITS = Limits()

_TEN_GB = 10 * 1024**3
"""No vendor says which gigabyte is meant; nothing is refused that may be taken."""


@dataclass(frozen=True)
class Profile:
    """The rules of one kind of registry, beyond the distribution specification's.

    Attributes:
        is_one_level: Repositories are one name below the namespace, without a slash.
        lowers_names: Names given in capitals are written in lower case, not refused.
        refuses_attestations: BuildKit's attestation manifests can't be pushed.
        wants_docker_types: OCI manifests are refused; Docker's own are taken.
        wants_oci_types: Docker's manifests are refused; OCI's are taken.
        limits: What it takes; docs/registries.md says where that is from.
    """

    name: str
    is_one_level: bool = False
    lowers_names: bool = False
    refuses_attestations: bool = False
    wants_docker_types: bool = False
    wants_oci_types: bool = False
    limits: Limits = NO_LIMITS


GENERIC = Profile("generic")
ALIYUN_PERSONAL = Profile(
    "aliyun",
    is_one_level=True,
    refuses_attestations=True,
    limits=Limits(namespaces=3, repositories=300),
)
ALIYUN_ENTERPRISE = Profile("aliyun-enterprise")
GHCR = Profile("ghcr", lowers_names=True, limits=Limits(layer_size=_TEN_GB))
SWR = Profile(
    "swr",
    wants_docker_types=True,
    limits=Limits(namespaces=5, layers=20, layer_size=_TEN_GB),
)
CCR = Profile("ccr", limits=Limits(namespaces=10))
ZOT = Profile("zot", wants_oci_types=True)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (GENERIC, ALIYUN_PERSONAL, ALIYUN_ENTERPRISE, GHCR, SWR, CCR, ZOT)
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
class MirrorPlace:
    """A registry that has what another one has, at `registry/path/REPOSITORY`."""

    registry: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}" if self.path else self.registry


@dataclass(frozen=True)
class SourceRules:
    """What targets.toml says of a registry that images come from.

    Attributes:
        username: Of the login there; empty where none is given.
        mirror: Is asked first for what a digest names; None where there is none.
        requests_per_second: How many requests of ours it may be sent; None is no limit.
        jobs: How many copies may read from it at once; None is the run's own limit.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    requests_per_second: float | None = None
    jobs: int | None = None
    mirror: MirrorPlace | None = None


@dataclass(frozen=True)
class Target:
    """One namespace of one registry that images are mirrored into.

    Attributes:
        name: What the user calls it: `aliyun`, `ghcr`, or a name from targets.toml.
        registry: Host, with its port if it has one.
        namespace: Path below the host; may be empty, or hold slashes.
        naming: `flat`, `nested`, `packed`, or a template of the repository's name.
        is_insecure: Plain HTTP or unverified TLS is accepted.
        ca: A PEM file of the authority that signed the registry's certificate.
        jobs: How many copies may be made here at once; None is the run's own limit.
        bandwidth: Bytes a second that it may be sent; None is as many as it takes.
        requests_per_second: How many requests of ours it may be sent; None is no limit.
        own_limits: What the registry takes, where the profile does not know it.
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
    bandwidth: int | None = None
    requests_per_second: float | None = None
    own_limits: Limits | None = None

    @property
    def limits(self) -> Limits:
        """How much is taken here."""
        return self.profile.limits if self.own_limits is None else self.own_limits

    @property
    def account(self) -> tuple[str, str]:
        """Whose limits are counted together: a registry, and a login there."""
        return self.registry.lower().removesuffix(":443"), self.username

    @property
    def base(self) -> str:
        """What every destination here starts with."""
        return f"{self.registry}/{self.namespace}" if self.namespace else self.registry

    def with_placeholders(self) -> Target:
        """The same, with something in the place of what is not set, so that names can be made."""
        return replace(
            self,
            registry=self.registry or "registry.invalid",
            namespace=self.namespace or "namespace",
        )


def check_naming(naming: str) -> None:
    """Check a naming rule before any image is named with it.

    Raises:
        FormatError: It is none of `RULES`, nor a template of known fields.
    """
    if naming in RULES:
        return
    try:
        parts = tuple(string.Formatter().parse(naming))
    except ValueError as error:
        raise FormatError(f"'{naming}' is not a naming template: {error}") from None
    known = ", ".join(f"{{{name}}}" for name in _FIELDS)
    fields = [(name, rule, conversion) for _, name, rule, conversion in parts if name is not None]
    if not fields:
        meant = did_you_mean(naming, RULES)
        hint = meant or f"write 'flat', 'nested', 'packed', or a template of {known}"
        raise FormatError(f"'{naming}' is not a way of naming", hint=hint)
    for name, rule, conversion in fields:
        if name not in _FIELDS or rule or conversion:
            meant = did_you_mean(f"{{{name}}}", map("{{{}}}".format, _FIELDS))
            meant = meant or f"a template holds {known}"
            raise FormatError(f"'{{{name}}}' is not a field of a naming template", hint=meant)


def check_levels(target: Target) -> None:
    """Check that a target's namespace is of one level where its registry takes no more.

    Raises:
        FormatError: It has more.
    """
    levels = target.namespace.split("/")
    if not target.profile.is_one_level or len(levels) == 1:
        return
    meant = next((level for level in levels if "." not in level), levels[0])
    edition = ", or ALIYUN_EDITION=enterprise for an Enterprise instance"
    raise FormatError(
        f"'{target.namespace}' has {len(levels)} levels, and the namespace is one name in Aliyun's "
        "Personal Edition",
        hint=f"write '{meant}'{edition if target.name == 'aliyun' else ''}",
    )
