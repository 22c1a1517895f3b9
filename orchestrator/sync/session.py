"""What a run needs while it runs, set up around it and gone after it.

The lock, the private folder with the logins, skopeo, the fast path and the state
database: they come in this order and go in the other.
"""

from __future__ import annotations

import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from orchestrator.config.authfile import merged, parse_authfile, run_logins, sealing_logins
from orchestrator.config.settings import RelayUse, Settings
from orchestrator.oci.reference import DOCKER_HUB, Digest, Reference
from orchestrator.plan.items import Item
from orchestrator.registry.client import RegistryClient, client_of, http_of
from orchestrator.registry.health import QUESTION, HostHealth, Precautions
from orchestrator.registry.pull_limit import PullCounter, PullLimit
from orchestrator.registry.reader import CountedRegistry, HttpFirstReader, HttpReader, Reader
from orchestrator.registry.transport import RateOf, rates_of
from orchestrator.relay.relay import Relay
from orchestrator.relay.target import FAR
from orchestrator.report.result import Result
from orchestrator.skopeo.adapter import Skopeo
from orchestrator.skopeo.arguments import connection_of, straight
from orchestrator.state.directory import locked, private_folder
from orchestrator.state.seals import Seals
from orchestrator.state.store import State
from orchestrator.sync.copier import CopyTool
from orchestrator.sync.followup.visible import Visibility
from orchestrator.sync.upstream.mirrors import (
    MirrorFirstLister,
    MirrorFirstReader,
    MirrorFirstTool,
    Mirrors,
    places_of,
    told_of_mirrors,
)
from orchestrator.sync.upstream.pull_budget import CountedTool
from orchestrator.system.concurrency import CopyLimit, questions_for
from orchestrator.system.http import HttpClient
from orchestrator.system.program import ProgramRunner
from orchestrator.system.progress import Transfers

_FIRST_PORT, _PORTS = 20_000, 10_000
"""Below the ports that systems hand out themselves."""

HEADS_AT_ONCE = 32
"""Questions to one registry at once; they are small, and none is counted."""

CHECKS_AT_ONCE = 2 * HEADS_AT_ONCE
"""Items that are checked at once: each asks two registries, and so both are kept busy."""


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Set once by Ctrl-C, SIGTERM or SIGHUP: nothing new begins, and what runs is ended."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._is_asked = False
        self._end_all: tuple[Callable[[], None], ...] = ()

    def sleep(self, seconds: float) -> bool:
        """Wait; True where the run is to end meanwhile."""
        return self.event.wait(seconds)

    @contextmanager
    def ending(self, *end_all: Callable[[], None]) -> Iterator[None]:
        """Call these, too, where a signal comes during the block, or has come already."""
        before, self._end_all = self._end_all, (*self._end_all, *end_all)
        if self._is_asked:
            self._end()
        try:
            yield
        finally:
            self._end_all = before

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take the signals that ask for an end; further ones change nothing.

        A SIGHUP that is ignored stays ignored: so `nohup` says that a run is to go on.
        """

        def end(_number: int, _frame: FrameType | None) -> None:
            # A second signal may come while the first is handled, and Event.set() would then
            # wait for itself.
            if not self._is_asked:
                self._is_asked = True
                self._end()

        taken = [one for one in _ENDING if not _is_left_alone(one)]
        before = {number: signal.signal(number, end) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self) -> None:
        self.event.set()
        for one in self._end_all:
            one()


def _is_left_alone(number: signal.Signals) -> bool:
    return number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


@dataclass(frozen=True)
class Session:
    """The run's tools.

    Attributes:
        skopeo: The program itself: its version, and whom it tells of blobs.
        tool: Copies, and reads what HTTP does not settle.
        client: Registries over HTTP.
        visibility: Finds out who can pull what is pushed.
        http: Reads sources over HTTP, each once.
        has_blob: Whether a repository has a blob, over HTTP.
        mirrors: Where sources are read first.
        pool: Asks many small questions at once.
        state: What is remembered between runs.
        pulls: What Docker Hub has counted of this run.
        health: Which hosts answer.
        transfers: What is under way.
        copies: How many copies may run at once.
        is_relaying: Whether copies go through a relay, where the target lets them.
    """

    skopeo: Skopeo
    tool: CopyTool
    client: RegistryClient
    visibility: Visibility
    http: Reader
    has_blob: Callable[[Reference, Digest], bool]
    mirrors: Mirrors
    pool: Executor
    state: State
    pulls: PullCounter
    health: HostHealth
    transfers: Transfers
    copies: CopyLimit
    is_relaying: bool

    def enough_checks(self) -> int:
        """How many items to check at once, by what is known of the way by now."""
        farthest = max(self.client.round_trips().values(), default=0.0)
        return questions_for(round_trip=farthest, most=CHECKS_AT_ONCE)

    @property
    def reader(self) -> HttpFirstReader:
        """Reads registries over HTTP where that will do, and else by skopeo."""
        return HttpFirstReader(self.http, self.tool)

    def expect(self, items: Sequence[Item]) -> None:
        """Say what will be asked about; through a relay, what was never pushed to is likely to be.

        A trip to a far registry, and two for its connections, are what a small copy consists of.
        """
        self.client.expect(one for item in items for one in (item.source, item.destination))
        if self.is_relaying:
            known = self.state.writer
            self.client.prepare_pushes(
                one.destination for one in items if not known(str(one.destination))
            )

    @property
    def lister(self) -> MirrorFirstLister:
        """Lists tags over HTTP."""
        return MirrorFirstLister(self.client.tags, self.mirrors)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know that came up meanwhile."""
        return (*self.state.warnings, *self.mirrors.warnings)

    def told_of_mirrors(self, results: Iterable[Result]) -> tuple[Result, ...]:
        """The same results, with what is to be said of mirrors."""
        return told_of_mirrors(results, self.mirrors)

    def pull_limit(self) -> PullLimit | None:
        """Docker Hub's pull limit, where it counts: a mirror's pulls are not Docker Hub's."""
        return None if self.mirrors.place_of(DOCKER_HUB) else self.client.pull_limit()


@contextmanager
def session(
    settings: Settings,
    items: tuple[Item, ...],
    *,
    run_id: str,
    is_writing: bool,
    stop: StopSignal,
    longest_question: float = QUESTION,
) -> Iterator[Session]:
    """Set up the tools of a run for these items, and take them down after it.

    A run that writes holds the lock all the while.

    Raises:
        LockedError: Another run holds the state directory.
        ToolMissingError: There is no skopeo.
        ConfigurationError: A file that is needed can't be read or written.
    """
    programs = ProgramRunner(settings.tool_environ)
    targets = tuple({item.target.name: item.target for item in items}.values())
    pulls = PullCounter()
    with ExitStack() as stack:
        if is_writing:
            stack.enter_context(locked(settings.state_dir, run_id=run_id))
        folder = stack.enter_context(private_folder(settings.state_dir))
        health = HostHealth(settings.retries)
        http = stack.enter_context(
            closing(http_of(settings, connections=HEADS_AT_ONCE, longest=longest_question))
        )
        stack.enter_context(stop.ending(programs.end_all, http.end_all))
        logins = run_logins(settings, targets)
        seals = Seals(sealing_logins(settings, logins))
        state = stack.enter_context(closing(State(settings.state_dir, seals=seals)))
        client = client_of(settings, http, logins)
        client.share(health, state)
        rate_of = rates_of(settings.request_rates, http.pause)
        client.limit(rate_of)
        relay = stack.enter_context(_relay(settings, client, state)) if is_writing else None
        connection = connection_of(settings, targets, folder, _with_relay(logins, relay))
        skopeo = Skopeo(
            programs,
            connection,
            patience=settings.stall_timeout,
            put_index=client.put_index,
            route=relay.route if relay else straight,
            precautions=Precautions(health, client.check_login, longest_question),
        )
        pool = stack.enter_context(ThreadPoolExecutor(HEADS_AT_ONCE))
        stranger = partial(_stranger, settings, http, rate_of)
        transfers = Transfers()
        http_reader = HttpReader(CountedRegistry(client, pulls))
        mirrors = Mirrors(places_of(settings.sources), settings.retries)
        judges = settings.policy is not None
        yield Session(
            skopeo=skopeo,
            tool=MirrorFirstTool(CountedTool(skopeo, pulls), mirrors, judges=judges),
            client=client,
            visibility=Visibility(
                stranger,
                state,
                pool,
                is_far=lambda registry: client.round_trips().get(registry, 0.0) >= FAR,
            ),
            http=MirrorFirstReader(http_reader, mirrors),
            has_blob=http_reader.has_blob,
            mirrors=mirrors,
            pool=pool,
            state=state,
            pulls=pulls,
            health=health,
            transfers=transfers,
            copies=CopyLimit(
                settings.jobs,
                round_trip=lambda: max(client.round_trips().values(), default=0.0),
                moved=lambda: transfers.total,
            ),
            is_relaying=relay is not None,
        )


def _stranger(settings: Settings, http: HttpClient, rate_of: RateOf) -> RegistryClient:
    """A client without logins, whose requests count where the others' do."""
    stranger = client_of(settings, http, b"{}")
    stranger.limit(rate_of)
    return stranger


@contextmanager
def _relay(settings: Settings, client: RegistryClient, state: State) -> Iterator[Relay | None]:
    """The run's relay, if there is to be one."""
    if settings.relay is RelayUse.OFF:
        yield None
        return
    # One port for a state directory, so that skopeo's cache does not grow by a host each run.
    port = _FIRST_PORT + zlib.crc32(bytes(settings.state_dir)) % _PORTS
    relay = Relay(
        client,
        client.reason_against,
        port=port,
        bandwidth_of=settings.bandwidth_of,
        patience=settings.stall_timeout,
        memory=state,
    )
    with closing(relay):
        yield relay


def _with_relay(logins: bytes, relay: Relay | None) -> bytes:
    if relay is None:
        return logins
    return merged((parse_authfile(logins, origin="the run's authfile"),), [relay.login])
