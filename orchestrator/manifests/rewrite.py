"""The same file with the mirror's addresses, an override for compose, a block for kustomize."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from orchestrator.errors import FormatError
from orchestrator.manifests.usage import Usage
from orchestrator.oci.reference import Reference


def with_addresses(text: str, found: Iterable[tuple[Usage, Reference]]) -> str:
    """The text with other names in their places; every other character is kept."""
    places = {usage.start: (usage, address) for usage, address in found if usage.can_be_written}
    done, place = [], 0
    for start in sorted(places):
        usage, address = places[start]
        before = text[usage.start : usage.end]
        done += [text[place:start], _quoted(before, str(address))]
        place = usage.end
    return "".join((*done, text[place:]))


def _quoted(before: str, address: str) -> str:
    """An address in the quotes of the name before it."""
    quote = before[0] if before[:1] in ("'", '"') else ""
    return f"{quote}{address}{quote}"


def compose_override(found: Iterable[tuple[Usage, Reference]]) -> str:
    """A `compose.override.yaml`: compose merges it over the file (compose docs, "Merge")."""
    services = {usage.owner: address for usage, address in found if usage.owner}
    lines = [
        f"  {json.dumps(owner)}:\n    image: {address}\n" for owner, address in services.items()
    ]
    return "services:\n" + "".join(lines) if lines else "services: {}\n"


def kustomize_images(found: Sequence[tuple[Usage, Reference]]) -> str:
    """The `images:` of a kustomization.yaml.

    Kustomize finds an image by its name as it is written, without tag and digest, and gives all
    of its tags one new tag.

    Raises:
        FormatError: One name stands there with two tags, which kustomize can't tell apart.
    """
    blocks: dict[str, tuple[Usage, Reference]] = {}
    for usage, address in found:
        name = _name_of(usage.image)
        known = blocks.setdefault(name, (usage, address))
        if known[1] != address:
            raise FormatError(
                f"'{known[0].image}' and '{usage.image}' have one name, and kustomize gives all of "
                "a name one tag",
                hint="rewrite the file itself, without --as",
            )
    lines = [
        f"- name: {json.dumps(name)}\n"
        f"  newName: {address.name}\n"
        f"  newTag: {json.dumps(address.tag)}\n"
        for name, (_, address) in blocks.items()
    ]
    return "images:\n" + "".join(lines) if lines else "images: []\n"


def _name_of(image: str) -> str:
    """The name that kustomize compares: all before the tag or the digest."""
    path = image.partition("@")[0]
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
