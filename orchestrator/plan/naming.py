"""Names: where an image goes in a target, predictably, and without the network.

`flat` puts everything in one level, as lists of this kind have always done;
`nested` keeps the path; `packed` makes tags of few repositories; a template has a
field for each part. What comes out is checked against distribution's grammar and
the target's own rules.
"""

from __future__ import annotations

import re
from hashlib import sha256

from orchestrator.config.targets import FLAT, NESTED, PACKED, Target
from orchestrator.errors import FormatError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import DOCKER_HUB, Reference
from orchestrator.text import shortened

_NOT_IN_A_COMPONENT = re.compile(r"[^a-z0-9._-]+")
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
_SEPARATORS = re.compile(r"(?!(?:__|-+)(?![._-]))[._-]{2,}")
"""Several in a row, but for what the grammar has: two underscores, or any number of dashes."""

_LONGEST_TAG = 128
_LONGEST_NAME = 255
"""Host and repository together, as many clients limit it (distribution spec, "Pulling")."""

_OFFICIAL, _OF_USERS, _ELSEWHERE = "library", "hub", "mirror"
"""The repositories of `packed`: Docker Hub's official images, its users', and all others."""
_NOT_IN_A_PACKED_NAME = re.compile(r"_+|[/:]")
_IN_A_PACKED_NAME = {"/": "_", ":": ".-"}
_HASH_LENGTH = 32
"""Hexadecimal digits: 128 bits, at which nobody meets two names with one hash."""


def destination_of(
    source: Reference, target: Target, *, platform: PlatformChoice | None = None, name: str = ""
) -> Reference:
    """Say where `source` goes in `target`.

    Args:
        source: The image as it is upstream.
        target: Where it goes.
        platform: The choice as the entry wrote it, None where it wrote none: a single
            platform that is written stands in the name, so that one image may be
            mirrored for several platforms side by side.
        name: The user's own choice of repository and tag; without a tag it keeps the
            source's.

    Raises:
        FormatError: The name breaks the grammar, or a rule of the target.
    """
    if name:
        repository, tag = _chosen(name.strip(), source, target)
        return _checked(repository, tag, target, is_tag_given=":" in name)
    repository, tag = _derived(source, target, platform)
    return _checked(repository, tag, target, is_chosen=False)


def _chosen(name: str, source: Reference, target: Target) -> tuple[str, str]:
    if name.startswith(f"{target.base}/"):
        below = name.removeprefix(f"{target.base}/")
        raise FormatError(
            f"'{name}' can't be a name: it begins with the registry and namespace of {target.name}",
            hint=_hint(*_split(below), target, is_chosen=True),
        )
    if "@" in name:
        hint = _hint(*_split(name.partition("@")[0]), target, is_chosen=True)
        raise FormatError(f"'{name}' can't be a name: it holds a digest", hint=hint)
    repository, tag = _split(name)
    return repository, tag if ":" in name else _tag_of(source)


def _split(name: str) -> tuple[str, str]:
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon else (name, "")


def _derived(source: Reference, target: Target, platform: PlatformChoice | None) -> tuple[str, str]:
    if target.naming == FLAT:
        return _flat(source, platform), _tag_of(source)
    if target.naming == PACKED:
        return _packed(source, platform)
    if target.naming == NESTED:
        return _nested(source, platform), _tag_of(source)
    return _from_template(target.naming, source, platform), _tag_of(source)


def _flat(source: Reference, platform: PlatformChoice | None) -> str:
    path = _short_path(source).replace("/", "_")
    registry = "" if source.is_docker_hub else f"{_host_as_component(source.registry, dots='-')}_"
    return f"{_platform_prefix(platform, '_')}{registry}{path}"


def _nested(source: Reference, platform: PlatformChoice | None) -> str:
    path = _short_path(source)
    registry = "" if source.is_docker_hub else f"{_host_as_component(source.registry)}/"
    return f"{_platform_prefix(platform, '/')}{registry}{path}"


def _packed(source: Reference, platform: PlatformChoice | None) -> tuple[str, str]:
    """A repository of three, and a tag from which the image can be told again.

    `mirror:quay.io_coreos_etcd..v3.5.0`. Components of a path begin and end with a letter or
    digit, and have one dot, one or two underscores or dashes between (distribution's grammar):
    two dots end the path, three do before a digest, and two stand before a platform; a dot before
    an underscore says that it is no slash, one before a dash that it is a port's colon. What would
    be too long, or has such dots in its own tag, ends in three dots and a hash, which no other
    name does.
    """
    path = _short_path(source)
    if source.is_docker_hub:
        repository = _OF_USERS if "/" in path else _OFFICIAL
    else:
        repository, path = _ELSEWHERE, source.name
    tag = source.tag or f".{source.digest or ''}".replace(":", "-")
    written = _platform_prefix(platform, "")
    path = _NOT_IN_A_PACKED_NAME.sub(_as_packed, path)
    packed = "..".join(filter(None, (path, tag, written)))
    if len(packed) <= _LONGEST_TAG and ".." not in tag and not tag.endswith("."):
        return repository, packed
    whole = "\n".join((path, tag, written))
    beginning = packed[: _LONGEST_TAG - _HASH_LENGTH - len("...")].rstrip(".")
    return repository, f"{beginning}...{sha256(whole.encode()).hexdigest()[:_HASH_LENGTH]}"


def _as_packed(found: re.Match[str]) -> str:
    return _IN_A_PACKED_NAME.get(found[0], f".{found[0]}")


def _from_template(template: str, source: Reference, platform: PlatformChoice | None) -> str:
    single = platform.single if platform else None
    written = str(single or platform or "default")
    return template.format(
        registry=_host_as_component(source.registry),
        repository=_short_path(source),
        name=source.repository.rpartition("/")[2],
        platform=_NOT_IN_A_COMPONENT.sub("-", written).strip("-._"),
        tag=_tag_of(source).lower(),
    )


def _short_path(source: Reference) -> str:
    official = source.repository.removeprefix("library/")
    return official if source.is_docker_hub and "/" not in official else source.repository


def _platform_prefix(platform: PlatformChoice | None, separator: str) -> str:
    """A single platform as a part of a name: `linux_arm_v7`, `windows-10.0.17763_amd64`."""
    single = platform.single if platform else None
    parts = str(single).replace("(", "-").replace(")", "").split("/") if single else ()
    return "_".join(parts) + separator if parts else ""


def _host_as_component(registry: str, *, dots: str = ".") -> str:
    """A host and port as one component of a path, which takes neither colon nor bracket."""
    component = _NOT_IN_A_COMPONENT.sub("-", registry.lower()).strip("-._")
    return component.replace(".", dots)


def _tag_of(source: Reference) -> str:
    if source.tag:
        return source.tag
    digest = source.digest or ""
    return f"sha256-{digest.removeprefix('sha256:')[:12]}"


def _checked(
    repository: str, tag: str, target: Target, *, is_chosen: bool = True, is_tag_given: bool = False
) -> Reference:
    name = f"{target.base}/{repository}"
    name = name.lower() if target.profile.lowers_names else name
    if len(name) > _LONGEST_NAME:
        raise FormatError(
            f"the name '{shortened(name, 63)}' has {len(name)} characters, {_LONGEST_NAME} at most",
            hint="give the image a shorter one with --name",
        )
    if target.profile.is_one_level and "/" in repository:
        raise FormatError(
            f"'{repository}' has a slash, and {target.name} takes names of one level only",
            hint=_hint(repository, tag if is_tag_given else "", target, is_chosen=is_chosen),
        )
    destination = f"{name}:{tag}"
    try:
        parsed = Reference.parse(destination)
    except FormatError:
        hint = _hint(repository, tag if is_tag_given else "", target, is_chosen=is_chosen)
        raise FormatError(f"the destination '{destination}' is no valid name", hint=hint) from None
    if parsed.is_docker_hub and not target.registry.lower().endswith(DOCKER_HUB):
        raise FormatError(
            f"'{target.registry}' is read as a user of Docker Hub, not as a registry",
            hint=f"give it a port, as in '{target.registry}:443', or its full host name",
        )
    return parsed


def _hint(repository: str, tag: str, target: Target, *, is_chosen: bool) -> str:
    """A name that would be taken in the place of one that is not."""
    otherwise = "" if is_chosen or target.naming == FLAT else ", or name as 'flat' does"
    separator = "_" if target.profile.is_one_level else "/"
    path = separator.join(filter(None, map(_as_component, repository.split("/"))))
    tag = _NOT_IN_A_TAG.sub("-", tag).lstrip(".-")[:_LONGEST_TAG]
    proposed = f"{path or 'image'}:{tag}" if tag else path or "image"
    return f"write --name={proposed}{otherwise}"


def _as_component(text: str) -> str:
    """What a text becomes as one component of a path."""
    plain = _NOT_IN_A_COMPONENT.sub("-", text.lower())
    return _SEPARATORS.sub("_", plain).strip("._-")
