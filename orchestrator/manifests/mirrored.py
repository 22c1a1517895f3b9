"""Which item of the list mirrors an image, as a file names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.config.image_list import Entry
from orchestrator.config.targets import Target
from orchestrator.manifests.usage import Usage
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.items import Item


def source_of(usage: Usage) -> Reference:
    """The image that a file names.

    Raises:
        FormatError: It is no reference.
    """
    return Reference.parse(usage.image)


def choice_of(usage: Usage) -> PlatformChoice | None:
    """The platform that a file names; None where it names none.

    Raises:
        FormatError: It is no platform.
    """
    return PlatformChoice.parse(usage.platform) if usage.platform else None


def serves(choice: PlatformChoice, wanted: PlatformChoice | None) -> bool:
    """Whether a copy for some platforms has those that are wanted."""
    if wanted is None or choice.is_all:
        return True
    return not wanted.is_all and set(wanted.platforms) <= set(choice.platforms)


@dataclass(frozen=True)
class Mirror:
    """What is mirrored to one target.

    Attributes:
        chosen: The lines that choose tags, and the tags of theirs that runs have mirrored; which
            others there are, only a registry tells.
    """

    items: tuple[Item, ...]
    chosen: Mapping[Entry, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        items: Iterable[Item],
        default: PlatformChoice,
        chosen: Mapping[Entry, tuple[str, ...]] | None = None,
    ) -> Mirror:
        """The items, those first that most readers can run: for all platforms, for the default.

        Args:
            items: Of one target.
            default: The platform that is meant where none is written.
            chosen: The lines that choose tags, with those that runs have mirrored.
        """
        ranked = sorted(
            items,
            key=lambda item: (not item.choice.is_all, not serves(item.choice, default), item.line),
        )
        return cls(tuple(ranked), chosen or {})

    def chooses(self, source: Reference) -> bool:
        """Whether a line chooses tags of an image's repository."""
        return any(one.source.name == source.name for one in self.chosen)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The lines that choose tags of which no run has mirrored one."""
        return tuple(
            f"{one.source.familiar} {one.selection}"
            for one, tags in self.chosen.items()
            if not tags
        )

    def for_platform(self, wanted: PlatformChoice) -> tuple[Item, ...]:
        """The items whose copies have a platform."""
        return tuple(item for item in self.items if serves(item.choice, wanted))

    def item_for(self, usage: Usage) -> Item | None:
        """The item whose copy can take an image's place; None where there is none.

        Raises:
            FormatError: The file names no image, or no platform, there.
        """
        source, wanted = source_of(usage), choice_of(usage)
        for item in self.items:
            if item.source == source and serves(item.choice, wanted):
                return item
        return None


def is_of(target: Target, source: Reference) -> bool:
    """Whether an image is a target's own already."""
    return str(source).startswith(f"{target.base}/")
