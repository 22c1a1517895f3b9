"""Reading sources: each manifest once in a run, and what follows from it for an item.

What was read here is what is copied, by digest. The platform that is really
delivered is the config's word, not the index's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.conversion import convert_index, convert_manifest
from orchestrator.oci.index import (
    ManifestForm,
    ManifestTypes,
    PushIndex,
    index_for_choice,
    index_of_one,
    lost_image,
    nested_index,
    no_such_platform,
)
from orchestrator.oci.manifest import (
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    parse_config,
    parse_manifest,
)
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import Upstream
from orchestrator.plan.items import Item
from orchestrator.registry.reader import Reader
from orchestrator.system.parallel import OncePerKey

ALL = "all"


class Sources:
    """The sources of a run; safe to be asked by many threads.

    Args:
        reader: Reads registries.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._manifest = OncePerKey(self._read_manifest)
        self.config = OncePerKey(self._read_config)

    def upstream(self, item: Item, form: ManifestForm) -> Upstream:
        """What the destination of an item has to be, as far as digests tell.

        Raises:
            ImageError: The source can't be read, has no such platform, or has no such form.
        """
        return self._in_form(item, self._upstream(item, form), form)

    def whole(self, item: Item, form: ManifestForm) -> Upstream:
        """The same, with all that a copy needs to know: layers, and what it really is for.

        Raises:
            ImageError: A part can't be read, or is not what the index says.
        """
        upstream = self._in_form(item, self._whole(item, self._upstream(item, form), form), form)
        rewritten = tuple(
            replace(one, config=self.config(item.source.at(one.origin)).raw)
            for one in upstream.rewritten
        )
        return replace(upstream, rewritten=rewritten)

    def part_of(self, item: Item, whole: Upstream, digests: Collection[Digest]) -> Upstream:
        """The same, but for the children that the destination has already.

        Args:
            item: Whose source it is.
            whole: All that a copy needs to know.
            digests: The children that are to travel.
        """
        if whole.index is None:
            return whole
        children = tuple(child for child in whole.index.children if child.digest in digests)
        index = replace(whole.index, children=children, is_whole=False)
        if not whole.blobs:
            return replace(whole, index=index)
        origins = {one.digest: one.origin for one in whole.rewritten}
        read = (item.source.at(origins.get(one.digest, one.digest)) for one in children)
        blobs = {blob.digest: blob for one in read for blob in self.image(item.source, one).blobs}
        return replace(whole, index=index, blobs=tuple(blobs.values()))

    def image(self, source: Reference, child: Reference) -> Image:
        """The manifest of one image, named by its digest.

        Args:
            source: What it is a part of; errors name it.
            child: The image itself.

        Raises:
            ImageError: It can't be read, or is an index.
        """
        try:
            manifest = self._manifest(child)
        except ImageError as error:
            is_lost = error.kind is ErrorKind.NOT_FOUND and child.digest and child != source
            if is_lost and child.digest:
                raise lost_image(child.digest, of=source.familiar) from None
            raise
        if isinstance(manifest, Index):
            raise nested_index(manifest.digest, of=source.familiar)
        return manifest

    def _upstream(self, item: Item, form: ManifestForm) -> Upstream:
        """What the destination has to be, in the source's own manifest types."""
        source, choice = item.source, item.choice
        manifest = self._manifest(source)
        if choice.single:
            return self._single(source, manifest, choice.single)
        if isinstance(manifest, Image):
            return self._around(item, manifest)
        keeps = form.keeps_attestations
        subset = index_for_choice(manifest, choice, keeps_attestations=keeps, of=source.familiar)
        delivered = ALL if choice.is_all else ",".join(map(str, subset.platforms))
        return Upstream(manifest.digest, subset.digest, delivered, index=subset)

    def _in_form(self, item: Item, upstream: Upstream, form: ManifestForm) -> Upstream:
        """The same, its manifests rewritten where the form asks for it."""
        if form.types is ManifestTypes.AS_IS:
            return upstream
        subset = upstream.index
        digests = [one.digest for one in subset.children] if subset else [upstream.expected]
        of = item.source.familiar
        images = [self.image(item.source, item.source.at(digest)) for digest in digests]
        becomes = [convert_manifest(image, form.types, of=of) for image in images]
        rewritten = tuple(one for one in becomes if one)
        if subset:
            index = convert_index(subset, becomes, form.types, of=of)
            return replace(upstream, expected=index.digest, index=index, rewritten=rewritten)
        expected = rewritten[0].digest if rewritten else upstream.expected
        return replace(upstream, expected=expected, rewritten=rewritten)

    def _whole(self, item: Item, upstream: Upstream, form: ManifestForm) -> Upstream:
        if upstream.blobs:
            return upstream
        if upstream.index:
            # Each child read is a counted pull, and it is read again when it is copied.
            is_as_it_is = item.choice.is_all and form.types is ManifestTypes.AS_IS
            if is_as_it_is and item.source.is_docker_hub:
                return upstream
            return self._whole_index(item, upstream, upstream.index)
        if item.choice.single is None:
            return upstream
        child = item.source.at(upstream.expected)
        image = self.image(item.source, child)
        config = self.config(child)
        _check_config(item.source, image, config)
        _check_child(item.source, config, item.choice.single)
        return _upstream(upstream.digest, image, config, item.choice.single)

    def _single(self, source: Reference, manifest: Manifest, platform: Platform) -> Upstream:
        if isinstance(manifest, Image):
            config = self.config(source.at(manifest.digest))
            _check_config(source, manifest, config)
            _check_single(source, config, platform)
            return _upstream(manifest.digest, manifest, config, platform)
        child = manifest.select(platform)
        if child is None:
            raise no_such_platform((platform,), manifest, of=source.familiar)
        return Upstream(manifest.digest, child.digest, str(child.platform or platform))

    def _around(self, item: Item, image: Image) -> Upstream:
        """A single image where several platforms are wanted, or all that there are."""
        if item.choice.is_all:
            return Upstream(image.digest, image.digest, ALL, image.config.digest, "", image.blobs)
        config = self.config(item.source.at(image.digest))
        _check_config(item.source, image, config)
        of = item.source.familiar
        subset = index_of_one(image, config.platform, item.choice, of=of)
        delivered = ",".join(map(str, subset.platforms))
        return Upstream(image.digest, subset.digest, delivered, blobs=image.blobs, index=subset)

    def _whole_index(self, item: Item, upstream: Upstream, subset: PushIndex) -> Upstream:
        blobs_of = {
            child.digest: tuple(self._child_blobs(item, child)) for child in subset.children
        }
        blobs = {blob.digest: blob for of_child in blobs_of.values() for blob in of_child}
        return replace(upstream, blobs=tuple(blobs.values()), blobs_of=blobs_of)

    def _child_blobs(self, item: Item, child: Descriptor) -> Iterator[Descriptor]:
        reference = item.source.at(child.digest)
        image = self.image(item.source, reference)
        if child.platform and not item.choice.is_all and not child.is_attestation:
            config = self.config(reference)
            _check_config(item.source, image, config)
            _check_child(item.source, config, child.platform)
        yield from image.blobs

    def _read_manifest(self, reference: Reference) -> Manifest:
        raw = self._reader.read_manifest(reference, side=Side.SOURCE)
        if raw is None:
            hint = "check the name and the tag"
            message = f"{reference.familiar}: it is not there"
            raise ImageError(ErrorKind.NOT_FOUND, message, hint=hint)
        return parse_manifest(raw, of=reference.familiar)

    def _read_config(self, reference: Reference) -> ImageConfig:
        raw = self._reader.read_config(reference, side=Side.SOURCE)
        return parse_config(raw, of=reference.familiar)


def _upstream(digest: Digest, image: Image, config: ImageConfig, platform: Platform) -> Upstream:
    real = config.platform if config.platform.architecture else platform
    return Upstream(
        digest=digest,
        expected=image.digest,
        delivered=str(real),
        config_digest=config.digest,
        created=config.created,
        blobs=image.blobs,
    )


def _check_config(source: Reference, image: Image, config: ImageConfig) -> None:
    """Refuse an image whose config is not the one that its manifest describes."""
    if config.digest != image.config.digest:
        raise ImageError(
            ErrorKind.DIGEST_MISMATCH,
            f"{source.familiar}: the registry sent another config than its manifest names",
            hint="the registry, or a proxy before it, is broken",
            registry=source.registry,
        )
    if len(config.raw) != image.config.size:
        raise ImageError(
            ErrorKind.BAD_MANIFEST,
            f"{source.familiar}: its manifest says that its config has {image.config.size} bytes, "
            f"and it has {len(config.raw)}",
            hint="tell its maintainer; such an image can't be pushed",
            registry=source.registry,
        )


def _check_single(source: Reference, config: ImageConfig, platform: Platform) -> None:
    """Refuse a single image of another platform: skopeo would copy it without a word."""
    if platform.is_served_by(config.platform):
        return
    real = str(config.platform) if config.platform.architecture else "a platform it does not name"
    by_name = f"write --platform={real}" if config.platform.is_writable else ""
    raise ImageError(
        ErrorKind.PLATFORM_MISMATCH,
        f"{source.familiar}: it is one image for {real}, and {platform} was asked for",
        hint=by_name or "--platform=all takes it as it is",
    )


def _check_child(source: Reference, config: ImageConfig, platform: Platform) -> None:
    """Refuse a child that is not what its index says, as far as its config tells."""
    real = config.platform
    is_of_version = real.os_version or not platform.os_version
    wanted = platform if is_of_version else platform.of_any_version
    if not real.architecture or wanted.is_served_by(real):
        return
    raise ImageError(
        ErrorKind.PLATFORM_MISMATCH,
        f"{source.familiar}: its index says {platform}, but that image is for {config.platform}",
        hint="tell its maintainer; no other image was copied instead",
    )
