"""Where the mirror has what is asked for under its original name. No network.

The list knows best: its lines have names of their own, and platforms. What it does not name may
have been mirrored by hand, under the name that the target's rule gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.config.image_list import Entry, ImageList
from orchestrator.config.targets import Target
from orchestrator.errors import FormatError
from orchestrator.front.request import Wanted
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.items import Item, NamedItems
from orchestrator.plan.naming import destination_of


@dataclass(frozen=True)
class Place:
    """Where an image may be in the mirror.

    Attributes:
        is_listed: Whether a line of the list puts it there.
    """

    reference: Reference
    is_listed: bool


class Places:
    """The places of one list in the targets that are pulled from.

    Args:
        images: The list.
        named: Its items, those with a chosen tag under a placeholder.
        targets: In the order in which they are asked.
        platform: What is served where a line is for one platform only.
        prefix: The platform that unlisted names begin with; None where they do with none.
    """

    def __init__(
        self,
        images: ImageList,
        named: NamedItems,
        targets: Mapping[str, Target],
        *,
        platform: PlatformChoice,
        prefix: PlatformChoice | None = None,
    ) -> None:
        self._targets = targets
        self._prefix = prefix
        self._by_tag: dict[Reference, list[Reference]] = {}
        self._repositories: dict[str, dict[Reference, None]] = {}
        self._choosing: dict[str, list[tuple[Entry, Target]]] = {}
        self._owners: dict[Reference, str] = {}
        # A whole index serves every platform, so that it goes before an image for one.
        for item in sorted(named.items, key=lambda item: item.choice.single is not None):
            self._owners[item.destination.by_tag] = item.source.name
            if item.target.name in targets and _is_served(item.choice, platform):
                self._add(item, images.chosen_by(item.source))

    def __len__(self) -> int:
        return sum(map(len, self._by_tag.values())) + sum(map(len, self._choosing.values()))

    def of(self, wanted: Wanted) -> tuple[Place, ...]:
        """Where it may be, the likeliest first; nothing is asked."""
        found: dict[Reference, bool] = {}
        for reference, is_listed in self._found(wanted):
            found.setdefault(reference, is_listed)
        return tuple(Place(reference, is_listed) for reference, is_listed in found.items())

    def is_in_mirror(self, image: Reference) -> bool:
        """Whether a name is one of the mirror's own."""
        return any(image.name.startswith(f"{one.base}/") for one in self._targets.values())

    def _add(self, item: Item, chosen_by: Entry | None) -> None:
        below = self._repositories.setdefault(item.source.name, {})
        below[_repository(item.destination)] = None
        if chosen_by:
            self._choosing.setdefault(item.source.name, []).append((chosen_by, item.target))
        elif item.source.tag:
            self._by_tag.setdefault(item.source.by_tag, []).append(item.destination)

    def _found(self, wanted: Wanted) -> Iterator[tuple[Reference, bool]]:
        image = wanted.image
        if self.is_in_mirror(image):
            yield image, True
        elif wanted.digest or wanted.is_attached:
            for below in self._repositories.get(image.name, {}):
                yield Reference(below.registry, below.repository, image.tag, image.digest), True
            for there in self._derived(image):
                yield Reference(there.registry, there.repository, image.tag, image.digest), False
        else:
            yield from ((one, True) for one in self._by_tag.get(image, ()))
            yield from ((one, True) for one in self._chosen(image))
            free = (one for one in self._derived(image) if self._is_free(one, image))
            yield from ((one, False) for one in free)

    def _is_free(self, there: Reference, image: Reference) -> bool:
        """Whether no other source's line has that name."""
        return self._owners.get(there, image.name) == image.name

    def _chosen(self, image: Reference) -> Iterator[Reference]:
        """Where a line that chooses tags puts this one; whether it does, the mirror says."""
        for entry, target in self._choosing.get(image.name, ()):
            one = entry.of_tag(image.tag or "")
            yield from _named(one.source, [target], one.platform, one.name)

    def _derived(self, image: Reference) -> Iterator[Reference]:
        yield from _named(image, self._targets.values(), self._prefix, "")


def _named(
    source: Reference, targets: Iterable[Target], platform: PlatformChoice | None, name: str
) -> Iterator[Reference]:
    for target in targets:
        try:
            yield destination_of(source, target, platform=platform, name=name)
        except FormatError:
            continue


def _repository(destination: Reference) -> Reference:
    return Reference(destination.registry, destination.repository)


def _is_served(choice: PlatformChoice, platform: PlatformChoice) -> bool:
    single = choice.single
    return single is None or platform.is_all or single in platform.platforms
