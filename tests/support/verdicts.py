"""What tests of the planner and the executor share: images, items, and a patience of no time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demo.images import build_image, build_index, noise_layer
from orchestrator.config.settings import Verify
from orchestrator.config.targets import GENERIC, Profile, Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import DeferredItem, FailedItem, PlannedItem
from orchestrator.plan.fast_path import FastPath
from orchestrator.plan.items import Item
from orchestrator.plan.planner import Planner, PlanOptions
from orchestrator.registry.reader import HttpReader, RetryingReader
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.sync.schedule import CopyTaskFactory, chain_links
from orchestrator.system.parallel import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.oci.manifest import Descriptor
    from orchestrator.oci.reference import Digest
    from orchestrator.plan.decision import KnownImage
    from orchestrator.registry.reader import Reader
    from orchestrator.sync.schedule import CopyTask

POOL = ThreadPoolExecutor(4)
"""Asks what may be asked at once; its threads live as long as the tests."""

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
    def rule(self) -> RetryPolicy:
        """For the planner and the executor."""
        return RetryPolicy(self.tries, 1.0, lambda _: False, lambda error, _: self.tell(error))

    def tell(self, error: ImageError) -> None:
        """Write a retry down."""
        self.told.append(error.message)


class NoHttp:
    """A client that can't tell anything."""

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        """Nothing is known of any digest."""
        return Inconclusive(f"nobody asks for {reference}")

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        """Nor of any manifest."""
        return Inconclusive(f"nobody asks for {reference}")

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        """Nor of any blob."""
        return Inconclusive(f"nobody asks for {blob.digest} in {repository}")

    def has_blob(self, repository: Reference, digest: Digest) -> bool | Inconclusive:
        """Nor whether a blob is anywhere."""
        return Inconclusive(f"nobody asks for {digest} in {repository}")

    def referrers(self, reference: Reference) -> tuple[bytes, ...] | NotFound | Inconclusive:
        """Nor of what refers to any digest."""
        return Inconclusive(f"nobody asks for {reference}")


@dataclass
class NoMemory:
    """Remembers what it is told, and never tells it."""

    kept: dict[tuple[Digest, str], KnownImage] = field(default_factory=dict)
    kept_children: dict[Digest, tuple[Digest, ...]] = field(default_factory=dict)

    def expected(self, index: Digest, choice: str) -> KnownImage | None:
        """Nothing."""
        del index, choice
        return None

    def remember_expected(self, index: Digest, choice: str, found: KnownImage) -> None:
        """For the test to look at."""
        self.kept[index, choice] = found

    def children(self, manifest: Digest) -> tuple[Digest, ...] | None:
        """Nothing."""
        del manifest
        return None

    def remember_children(self, manifest: Digest, children: tuple[Digest, ...]) -> None:
        """For the test to look at."""
        self.kept_children[manifest] = children

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """Nothing."""
        del destination, source
        return None


def planner(
    reader: Reader,
    options: PlanOptions | None = None,
    *,
    patience: Patience | None = None,
    memory: NoMemory | None = None,
    verify: Verify = Verify.CHILDREN,
    has_blob: Callable[[Reference, Digest], bool] = lambda _repository, _digest: True,
) -> Planner:
    """A planner without a fast path."""
    retrying = RetryingReader(reader, (patience or Patience()).rule)
    http, memory = HttpReader(NoHttp()), memory or NoMemory()
    once = Completeness(http, has_blob, memory, verify, POOL)
    fast_path = FastPath(http, memory, once, POOL)
    patient = Completeness(retrying, has_blob, memory, verify, POOL)
    return Planner(retrying, options or PlanOptions(), fast_path, patient)


def tasks_of(planned: Iterable[PlannedItem], *, chains: bool = True) -> tuple[CopyTask, ...]:
    """The tasks of a run's verdicts."""
    known = tuple(planned)
    maker = CopyTaskFactory(
        chain_links([one.item for one in known]) if chains else (None,) * len(known)
    )
    return tuple(maker.make(place, one) for place, one in enumerate(known))


def reason_of(task: CopyTask) -> str:
    """Why a task is deferred; empty where it is not."""
    return task.planned.reason if isinstance(task.planned, DeferredItem) else ""


def verdict(planned: PlannedItem) -> str:
    """A verdict in one word, as the report has it."""
    if isinstance(planned, FailedItem):
        return planned.error.kind.value
    if isinstance(planned, DeferredItem):
        return planned.reason
    return f"{planned.decision.action.value}: {planned.decision.reason.value}"


def fault(kind: ErrorKind = ErrorKind.UNREACHABLE, *, at: str) -> ImageError:
    """Something that goes wrong at a registry."""
    return ImageError(kind, f"{at}: it is {kind.value}", registry=at)
