"""The images of the benchmarks: small ones to be found in sync, large ones to be copied.

They are indexes of Docker's types with two platforms, since that is what all tools can choose a
platform from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demo.images import Image, Index, Layer, build_image, build_index, digest_of, noise_layer, push
from demo.registry import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PLATFORM = "linux/amd64"
OTHER_PLATFORM = "linux/arm64"
ALL = "all"
SOURCE_NAMESPACE = "upstream"
TARGET_NAMESPACE = "mirror"

MB = 1_000_000

_IMAGES_A_BASE = 8
"""How many of the large images share a base."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image as the tools know it, and what a copy of it has to move.

    Attributes:
        name: Repository and tag, without a namespace.
        manifest: What the destination has when it is in sync.
        media_type: The manifest's.
        blobs: The digests of its platform's blobs, and their sizes.
        has_shared_base: Whether it shares its base with others.
    """

    name: str
    manifest: bytes = field(repr=False)
    media_type: str
    blobs: Mapping[str, int]
    has_shared_base: bool = False

    @classmethod
    def of(cls, name: str, expected: Image | Index, *, has_shared_base: bool = False) -> Sample:
        """What is known of an image, without the weight of its layers."""
        images = expected.images if isinstance(expected, Index) else (expected,)
        blobs = {blob.digest: len(blob.content) for one in images for blob in one.blobs}
        return cls(name, expected.manifest, expected.media_type, blobs, has_shared_base)

    @property
    def digest(self) -> str:
        """The digest that the destination has when it is in sync."""
        return digest_of(self.manifest)


def tag(registry_url: str, namespace: str, samples: Iterable[Sample]) -> None:
    """Point the samples' tags at what they should name; it has to be there already."""
    with Client(registry_url) as client:
        for sample in samples:
            repository, _, name = sample.name.partition(":")
            path = f"/v2/{namespace}/{repository}/manifests/{name}"
            headers = {"Content-Type": sample.media_type}
            client.ask("PUT", path, headers=headers, body=sample.manifest).raise_for_status()


def push_in_sync(source: str, target: str, *, images: int, platform: str) -> tuple[Sample, ...]:
    """Push so many small images to the source, and what each becomes to the target."""
    return tuple(_push_in_sync(number, source, target, platform) for number in range(images))


def _push_in_sync(number: int, source: str, target: str, platform: str) -> Sample:
    name = f"small-{number:04}"
    one = build_image(PLATFORM, {"name": name.encode()}, media="docker")
    other = build_image(OTHER_PLATFORM, {"name": name.encode()}, media="docker")
    index = build_index((one, other), media="docker")
    push(source, f"{SOURCE_NAMESPACE}/{name}", "1", index)
    expected = index if platform == ALL else one
    push(target, f"{TARGET_NAMESPACE}/{name}", "1", expected)
    return Sample.of(f"{name}:1", expected)


def push_version(source: str, *, images: int, version: int) -> tuple[Sample, ...]:
    """Push so many small images to the source alone, of which each version has other bytes."""
    return tuple(_push_version(number, source, version) for number in range(images))


def _push_version(number: int, source: str, version: int) -> Sample:
    name = f"new-{number:05}"
    image = build_image(PLATFORM, {"name": f"{name} {version}".encode()})
    push(source, f"{SOURCE_NAMESPACE}/{name}", "1", image)
    return Sample.of(f"{name}:1", image)


def push_large(
    source: str, *, images: int, size: int, authority: Path | None = None
) -> tuple[Sample, ...]:
    """Push images of so many bytes; the first ones share a base, which is half of each.

    `authority` is the file of the certificates to trust.
    """
    base = noise_layer(size // 2, seed=0)
    samples = []
    for number in range(images):
        sample, index = _large(number, base, size)
        repository, _, name = sample.name.partition(":")
        push(source, f"{SOURCE_NAMESPACE}/{repository}", name, index, authority=authority)
        samples.append(sample)
    return tuple(samples)


def _large(number: int, base: Layer, size: int) -> tuple[Sample, Index]:
    name = f"large-{number:04}"
    is_shared = number < _IMAGES_A_BASE
    seed = 10 * (number + 1)
    layers = (
        base if is_shared else noise_layer(size // 2, seed),
        noise_layer(size // 3, seed + 1),
        noise_layer(size - size // 2 - size // 3, seed + 2),
    )
    one = build_image(PLATFORM, {"name": name.encode()}, layers=layers, media="docker")
    other = build_image(OTHER_PLATFORM, {"name": name.encode()}, media="docker")
    sample = Sample.of(f"{name}:1", one, has_shared_base=is_shared)
    return sample, build_index((one, other), media="docker")


def push_tags(source: str, target: str, *, repositories: int, tags: int) -> tuple[Sample, ...]:
    """Push a few repositories with many tags each, every tag an index of its own, in sync."""
    names = [f"tagged-{number:02}" for number in range(repositories)]
    images = {name: build_image(PLATFORM, {"name": name.encode()}) for name in names}
    for name, image in images.items():
        push(source, f"{SOURCE_NAMESPACE}/{name}", "base", image)
        push(target, f"{TARGET_NAMESPACE}/{name}", "base", image)
    numbered = [(f"{name}:1.{number}", images[name]) for name in names for number in range(tags)]
    tag(source, SOURCE_NAMESPACE, (Sample.of(name, _index(name, one)) for name, one in numbered))
    samples = tuple(Sample.of(name, one) for name, one in numbered)
    tag(target, TARGET_NAMESPACE, samples)
    return samples


@dataclass(frozen=True, slots=True)
class Choice:
    """A line that chooses tags: its repository, and what they match as a whole."""

    repository: str
    regex: str


def push_choices(
    source: str, target: str, *, lines: int, repositories: int, tags: int
) -> tuple[tuple[Choice, ...], tuple[Sample, ...]]:
    """Push repositories with many tags, of which each line chooses ten; those are in sync."""
    images = {
        f"chosen-{number:02}": build_image(PLATFORM, {"name": str(number).encode()})
        for number in range(repositories)
    }
    for name, image in images.items():
        push(source, f"{SOURCE_NAMESPACE}/{name}", "base", image)
        push(target, f"{TARGET_NAMESPACE}/{name}", "base", image)
        tag(
            source,
            SOURCE_NAMESPACE,
            [Sample.of(f"{name}:1.{number}", image) for number in range(tags)],
        )
    names = list(images)
    places = [(names[line % repositories], 10 + line // repositories) for line in range(lines)]
    chosen = [
        Sample.of(f"{name}:1.{tens}{unit}", images[name])
        for name, tens in places
        for unit in range(10)
    ]
    tag(target, TARGET_NAMESPACE, chosen)
    choices = tuple(Choice(name, rf"1[.]{tens}[0-9]") for name, tens in places)
    return choices, tuple(chosen)


def _index(name: str, image: Image) -> Index:
    return build_index((image,), annotations={"org.opencontainers.image.ref.name": name})
