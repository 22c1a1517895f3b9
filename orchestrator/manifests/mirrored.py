"""Which item of the list mirrors an image, as a file names it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    """What is mirrored to one target."""

    items: tuple[Item, ...]

    @classmethod
    def of(cls, items: Iterable[Item], default: PlatformChoice) -> Mirror:
        """The items, those first that most readers can run: for all platforms, for the default.

        Args:
            items: Of one target.
            default: The platform that is meant where none is written.
        """
        ranked = sorted(
            items,
            key=lambda item: (not item.choice.is_all, not serves(item.choice, default), item.line),
        )
        return cls(tuple(ranked))

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
