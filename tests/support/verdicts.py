"""What tests of the planner and the executor share: images, items, and a patience of no time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demo.images import build_image, build_index, noise_layer
from orchestrator.errors import ImageError, Kind
from orchestrator.plan import Item, PlannedItem
from orchestrator.planner import Planner, Wishes
from orchestrator.platforms import PlatformChoice
from orchestrator.proof import Prover
from orchestrator.pulls import Pulls
from orchestrator.readings import Readings
from orchestrator.reference import Reference
from orchestrator.registry_answers import Absent, Unknown
from orchestrator.schedule import TaskMaker, links_of
from orchestrator.targets import GENERIC, Profile, Target
from orchestrator.work import RetryRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.facts import Remembered
    from orchestrator.manifest import Descriptor
    from orchestrator.reference import Digest
    from orchestrator.schedule import Task
    from orchestrator.sources import Reader

SOURCE = "source.example/team/app"
BASE = noise_layer(100_000)
AMD = build_image("linux/amd64", layers=[BASE])
ARM = build_image("linux/arm64", layers=[BASE])
INDEX = build_index([AMD, ARM])
ATTESTED = build_index([AMD, ARM], attestations="new")


def target(name: str = "near", profile: Profile = GENERIC) -> Target:
    """A target whose registry is `NAME.example`."""
    return Target(name, f"{name}.example", "lab", profile=profile)


def item(platform: str = "linux/amd64", *, to: Target | None = None, tag: str = "1") -> Item:
    """The one image that tests are about, in a target."""
    to = to or target()
    return Item(
        line=1,
        source=Reference.parse(f"{SOURCE}:{tag}"),
        choice=PlatformChoice.parse(platform),
        target=to,
        destination=Reference.parse(f"{to.base}/app:{tag}"),
    )


@dataclass
class Patience:
    """A rule that waits no time; what was told of retries stays here."""

    tries: int = 3
    told: list[str] = field(default_factory=list)

    @property
    def rule(self) -> RetryRule:
        """For the planner and the executor."""
        return RetryRule(self.tries, 1.0, lambda _: False, lambda error, _: self.tell(error))

    def tell(self, error: ImageError) -> None:
        """Write a retry down."""
        self.told.append(error.message)


class NoHttp:
    """A client that can't tell anything."""

    def head(self, reference: Reference) -> Digest | Absent | Unknown:
        """Nothing is known of any digest."""
        return Unknown(f"nobody asks for {reference}")

    def read(self, reference: Reference) -> bytes | Absent | Unknown:
        """Nor of any manifest."""
        return Unknown(f"nobody asks for {reference}")

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Unknown:
        """Nor of any blob."""
        return Unknown(f"nobody asks for {blob.digest} in {repository}")


@dataclass
class NoMemory:
    """Remembers what it is told, and never tells it."""

    kept: dict[tuple[Digest, str], Remembered] = field(default_factory=dict)

    def expected(self, index: Digest, choice: str) -> Remembered | None:
        """Nothing."""
        del index, choice
        return None

    def remember_expected(self, index: Digest, choice: str, found: Remembered) -> None:
        """For the test to look at."""
        self.kept[index, choice] = found

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """Nothing."""
        del destination, source
        return None


def planner(
    reader: Reader,
    wishes: Wishes | None = None,
    *,
    patience: Patience | None = None,
    memory: NoMemory | None = None,
) -> Planner:
    """A planner without a fast path."""
    nobody = NoHttp()
    prover = Prover(nobody, Readings(nobody, Pulls()), memory or NoMemory())
    return Planner(reader, (patience or Patience()).rule, wishes or Wishes(), prover)


def tasks_of(planned: Iterable[PlannedItem], *, chains: bool = True) -> tuple[Task, ...]:
    """The tasks of a run's verdicts."""
    known = tuple(planned)
    maker = TaskMaker(links_of([one.item for one in known]) if chains else (None,) * len(known))
    return tuple(maker.make(place, one) for place, one in enumerate(known))


def verdict(planned: PlannedItem) -> str:
    """A verdict in one word, as the report has it."""
    if planned.error:
        return planned.error.kind.value
    if planned.decision is None:
        return planned.put_off
    return f"{planned.decision.action.value}: {planned.decision.reason.value}"


def fault(kind: Kind = Kind.UNREACHABLE, *, at: str) -> ImageError:
    """Something that goes wrong at a registry."""
    return ImageError(kind, f"{at}: it is {kind.value}", registry=at)
