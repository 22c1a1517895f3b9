"""What unit tests take for registries behaves as real ones do, asked by the real skopeo."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest

from demo.faults import Response, Rule
from demo.images import build_image, build_index, layer, push
from demo.proxy import FaultProxy
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.conversion import ConvertedManifest, convert_manifest
from orchestrator.oci.index import ManifestTypes
from orchestrator.oci.manifest import DOCKER_MANIFEST, Image, parse_manifest
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.skopeo.adapter import Skopeo
from orchestrator.skopeo.arguments import Connection, CopyRequest
from orchestrator.sync.copier import CopyTool
from orchestrator.system.program import ProgramRunner
from tests.support.fake_registry import FakeRegistries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.images import Image as BuiltImage
    from demo.images import Index as BuiltIndex
    from demo.registry import Registry

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
BASE = layer({"base": b"base" * 1000})
AMD_IMAGE = build_image("linux/amd64", layers=[BASE])
ARM_IMAGE = build_image("linux/arm64", layers=[BASE])
INDEX = build_index([AMD_IMAGE, ARM_IMAGE])
ATTESTED = build_index([AMD_IMAGE, ARM_IMAGE], attestations="new")
NOWHERE = Digest(f"sha256:{'0' * 64}")

_numbers = count(1)


class World(Protocol):
    """Two registries and who is asked about them."""

    @property
    def source(self) -> str:
        """The host that is copied from."""
        ...

    @property
    def target(self) -> str:
        """The host that is copied to."""
        ...

    @property
    def copier(self) -> CopyTool:
        """Who copies and reads."""
        ...

    def put(self, where: str, content: BuiltImage | BuiltIndex) -> Digest:
        """Push something to the source."""
        ...

    def refuse_oci(self) -> None:
        """The target takes Docker's types only from now on."""
        ...


@dataclass
class FakeWorld:
    """The dictionary."""

    copier: FakeRegistries
    source: str = "source.example:5000"
    target: str = "target.example:5000"

    def put(self, where: str, content: BuiltImage | BuiltIndex) -> Digest:
        return self.copier.put(where, content)

    def refuse_oci(self) -> None:
        self.copier.refuses_oci.add(self.target)


@dataclass
class RealWorld:
    """Debian's registry, and skopeo."""

    copier: Skopeo
    proxy: FaultProxy
    source: str

    @property
    def target(self) -> str:
        return self.proxy.host

    def put(self, where: str, content: BuiltImage | BuiltIndex) -> Digest:
        reference = Reference.parse(where)
        url = f"http://{reference.registry}"
        return Digest(push(url, reference.repository, reference.tag, content))

    def refuse_oci(self) -> None:
        invalid = Response.error(400, "MANIFEST_INVALID", "manifest invalid")
        self.proxy.add(Rule(invalid, method="PUT", path="/manifests/", content="oci"))


@pytest.fixture
def world(
    request: pytest.FixtureRequest, upstream: Registry, mirror: Registry, tmp_path: Path
) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(FakeRegistries())
        return
    authfile = tmp_path / "auth.json"
    authfile.write_text('{"auths": {}}', encoding="utf-8")
    connection = Connection(
        authfile=authfile,
        is_insecure=lambda _: True,
        certificates=lambda _: None,
        login_of=lambda registry: f"your login to {registry}",
    )
    programs = ProgramRunner({"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    with FaultProxy(mirror.url) as proxy:
        yield RealWorld(Skopeo(programs, connection), proxy, upstream.host)


@pytest.fixture
def repository() -> str:
    return f"contract/{next(_numbers)}"


both = pytest.mark.parametrize("world", ["fake", "real"], indirect=True)


def read(world: World, where: str, *, side: Side = Side.SOURCE) -> bytes | None:
    return world.copier.read_manifest(Reference.parse(where), side=side)


def copy(world: World, request: CopyRequest) -> tuple[Digest, ...]:
    return world.copier.copy(request)


def ask(world: World, repository: str, digest: str, platform: Platform | None) -> CopyRequest:
    source = Reference.parse(f"{world.source}/{repository}").at(Digest(digest))
    return CopyRequest(source, Reference.parse(f"{world.target}/{repository}:1"), platform)


def blobs(*images: BuiltImage) -> set[str]:
    return {blob.digest for image in images for blob in image.blobs}


@both
@pytest.mark.parametrize(
    "content", [pytest.param(AMD_IMAGE, id="image"), pytest.param(ATTESTED, id="index")]
)
def test_a_manifest_is_found_by_tag_and_by_digest(
    world: World, repository: str, content: BuiltImage | BuiltIndex
) -> None:
    name = f"{world.source}/{repository}"
    digest = world.put(f"{name}:1", content)
    for where in (f"{name}:1", f"{name}@{digest}", f"{name}:other@{digest}"):
        assert read(world, where) == content.manifest
    if isinstance(content, type(ATTESTED)):
        for child in content.images:
            assert read(world, f"{name}@{child.digest}") == child.manifest


@both
def test_what_is_not_there_is_none(world: World, repository: str) -> None:
    name = f"{world.source}/{repository}"
    assert read(world, f"{name}:1") is None
    assert read(world, f"{name}:1", side=Side.DESTINATION) is None
    world.put(f"{name}:1", AMD_IMAGE)
    assert read(world, f"{name}:2") is None
    assert read(world, f"{name}@{NOWHERE}") is None


@both
def test_a_config_is_its_raw_bytes(world: World, repository: str) -> None:
    name = f"{world.source}/{repository}"
    digest = world.put(f"{name}:1", AMD_IMAGE)
    for where in (f"{name}:1", f"{name}@{digest}"):
        found = world.copier.read_config(Reference.parse(where), side=Side.SOURCE)
        assert found == AMD_IMAGE.config


@both
def test_a_config_that_is_not_there_is_an_error(world: World, repository: str) -> None:
    missing = Reference.parse(f"{world.source}/{repository}:1")
    with pytest.raises(ImageError) as caught:
        world.copier.read_config(missing, side=Side.SOURCE)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.NOT_FOUND, world.source)


@both
def test_an_image_is_copied_as_it_is(world: World, repository: str) -> None:
    digest = world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    request = ask(world, repository, digest, AMD)
    assert set(copy(world, request)) == blobs(AMD_IMAGE)
    assert read(world, str(request.destination), side=Side.DESTINATION) == AMD_IMAGE.manifest
    assert copy(world, request) == ()


@both
def test_only_what_is_missing_travels(world: World, repository: str) -> None:
    name = f"{world.source}/{repository}"
    world.put(f"{name}:1", AMD_IMAGE)
    world.put(f"{name}:2", ARM_IMAGE)
    copy(world, ask(world, repository, AMD_IMAGE.digest, AMD))
    uploaded = copy(world, ask(world, repository, ARM_IMAGE.digest, ARM))
    assert set(uploaded) == blobs(ARM_IMAGE) - blobs(AMD_IMAGE)


@both
def test_a_child_is_copied_by_its_digest(world: World, repository: str) -> None:
    world.put(f"{world.source}/{repository}:1", INDEX)
    request = ask(world, repository, ARM_IMAGE.digest, ARM)
    assert set(copy(world, request)) == blobs(ARM_IMAGE)
    assert read(world, str(request.destination)) == ARM_IMAGE.manifest


@both
def test_a_child_may_go_under_its_digest_alone(world: World, repository: str) -> None:
    world.put(f"{world.source}/{repository}:1", INDEX)
    request = ask(world, repository, ARM_IMAGE.digest, None)
    there = request.destination.at(Digest(ARM_IMAGE.digest))
    copy(world, replace(request, destination=there))
    assert read(world, str(there)) == ARM_IMAGE.manifest
    assert read(world, str(request.destination)) is None


@both
@pytest.mark.parametrize(
    "index", [pytest.param(INDEX, id="plain"), pytest.param(ATTESTED, id="attested")]
)
def test_an_index_is_copied_with_all_its_children(
    world: World, repository: str, index: BuiltIndex
) -> None:
    digest = world.put(f"{world.source}/{repository}:1", index)
    request = ask(world, repository, digest, None)
    assert set(copy(world, request)) == blobs(*index.images)
    assert read(world, str(request.destination)) == index.manifest
    for child in index.images:
        there = request.destination.at(Digest(child.digest))
        assert read(world, str(there)) == child.manifest
    assert copy(world, request) == ()


@both
def test_a_source_that_is_gone_is_the_sources_fault(world: World, repository: str) -> None:
    world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    with pytest.raises(ImageError) as caught:
        copy(world, ask(world, repository, NOWHERE, AMD))
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.NOT_FOUND, world.source)


@both
def test_an_index_alone_needs_its_children(world: World, repository: str) -> None:
    world.put(f"{world.source}/{repository}:1", INDEX)
    there = Reference.parse(f"{world.target}/{repository}:all")
    with pytest.raises(ImageError) as caught:
        world.copier.push_manifest(INDEX.manifest, there)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.BAD_MANIFEST, world.target)
    assert read(world, str(there)) is None
    for child in INDEX.images:
        request = ask(world, repository, child.digest, None)
        copy(world, replace(request, destination=there.at(Digest(child.digest))))
    world.copier.push_manifest(INDEX.manifest, there)
    assert read(world, str(there)) == INDEX.manifest


@both
def test_a_registry_that_refuses_oci_is_told_so(world: World, repository: str) -> None:
    world.refuse_oci()
    world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    request = ask(world, repository, AMD_IMAGE.digest, AMD)
    with pytest.raises(ImageError) as caught:
        copy(world, request)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.BAD_MANIFEST, world.target)
    assert read(world, str(request.destination)) is None


@both
def test_a_conversion_keeps_config_and_layers(world: World, repository: str) -> None:
    world.refuse_oci()
    world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    request = ask(world, repository, AMD_IMAGE.digest, AMD)
    copy(world, replace(request, keeps_digests=False))
    raw = read(world, str(request.destination))
    assert raw is not None
    assert digest_of(raw) != AMD_IMAGE.digest
    found = parse_manifest(raw, of="it")
    assert isinstance(found, Image)
    assert found.media_type == DOCKER_MANIFEST
    assert {blob.digest for blob in found.blobs} == blobs(AMD_IMAGE)
    assert raw == rewritten(AMD_IMAGE).raw
    assert world.copier.read_config(request.destination, side=Side.DESTINATION) == AMD_IMAGE.config


@both
def test_what_is_docker_already_is_not_converted(world: World, repository: str) -> None:
    world.refuse_oci()
    image = build_image("linux/amd64", media="docker")
    world.put(f"{world.source}/{repository}:1", image)
    request = ask(world, repository, image.digest, AMD)
    copy(world, request)
    assert read(world, str(request.destination)) == image.manifest


@both
def test_an_image_in_dockers_types_is_pushed_where_its_blobs_are(
    world: World, repository: str
) -> None:
    world.refuse_oci()
    world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    became = rewritten(AMD_IMAGE)
    request = ask(world, repository, AMD_IMAGE.digest, AMD)
    tag, digest = request.destination, request.destination.at(became.digest)
    with pytest.raises(ImageError):
        world.copier.push_manifest(became.raw, tag, config=AMD_IMAGE.config)
    blobs_only = replace(request, destination=tag.at(Digest(AMD_IMAGE.digest)))
    copied = world.copier.copy_blobs(blobs_only)
    assert set(copied) == blobs(AMD_IMAGE)
    assert read(world, str(blobs_only.destination)) is None
    for there in (digest, tag):
        world.copier.push_manifest(became.raw, there, config=AMD_IMAGE.config)
        assert read(world, str(there)) == became.raw
    assert world.copier.read_config(tag, side=Side.DESTINATION) == AMD_IMAGE.config


@both
def test_blobs_that_can_not_be_had_are_an_error(world: World, repository: str) -> None:
    world.put(f"{world.source}/{repository}:1", AMD_IMAGE)
    with pytest.raises(ImageError) as caught:
        world.copier.copy_blobs(ask(world, repository, NOWHERE, AMD))
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.NOT_FOUND, world.source)


def rewritten(image: BuiltImage) -> ConvertedManifest:
    parsed = parse_manifest(image.manifest, of="it")
    assert isinstance(parsed, Image)
    became = convert_manifest(parsed, ManifestTypes.DOCKER, of="it")
    assert became
    return became
