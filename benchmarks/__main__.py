"""`make bench`: run the scenarios, show tables and goals, and keep them where that is asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import document, ours, scale, scenarios, tools
from benchmarks.far import copies, trips
from benchmarks.judge import judge
from benchmarks.samples import ALL, MB, PLATFORM
from benchmarks.scenarios import Bench

if TYPE_CHECKING:
    from benchmarks.measure import Run
    from benchmarks.tools import Tool

_PAGE = ours.ROOT / "docs" / "benchmarks.md"
_SCALE_PAGE = ours.ROOT / "docs" / "scale.md"

Scenario = Callable[[Bench], "tuple[Run, ...]"]

_SCENARIOS: Mapping[str, tuple[str, Scenario]] = {
    scenarios.NOOP_ONE: (
        "All in sync, one platform out of an index",
        partial(scenarios.noop, platform=PLATFORM),
    ),
    scenarios.NOOP_ALL: (
        "All in sync, whole indexes",
        partial(scenarios.noop, platform=ALL),
    ),
    scenarios.COPY: ("Cold copy", scenarios.copy),
    scenarios.COPY_LIMITED: (
        "Cold copy, each registry limited",
        partial(scenarios.copy, is_limited=True),
    ),
    scenarios.FAN_OUT: ("Cold copy to two targets", partial(scenarios.copy, targets=2)),
    scenarios.CHOICES: ("All in sync, lines that choose tags", scenarios.choices),
    scenarios.FAR: ("Cold copy to a far target", copies.copy),
    scenarios.TRIPS: ("Round trips one after the other", trips.trips),
    scenarios.SCALE: ("A long list, and registries without delay", scenarios.scale),
}


def main(argv: Sequence[str]) -> int:
    """Run what was asked for; the status tells whether all of it ran."""
    arguments = _parse(argv)
    _tell_of_peers()
    _tell_of_load()
    if arguments.scale:
        table = scale.measured()
        print(f"{table}\n\n{document.machine()}")
        if arguments.write:
            scale.write(_SCALE_PAGE, table, document.machine())
        return 0
    bench = _bench(arguments)
    measured = {}
    for name in arguments.only:
        title, scenario = _SCENARIOS[name]
        print(f"\n{name}: {title}", file=sys.stderr, flush=True)
        measured[name] = scenario(bench)
        print(document.text(title, measured[name]), flush=True)
    verdicts = judge(measured, bench)
    print(f"\n{document.goals(verdicts)}\n\n{document.machine()}")
    if arguments.write:
        titles = {name: title for name, (title, _) in _SCENARIOS.items()}
        before = _PAGE.read_text(encoding="utf-8")
        document.write(_PAGE, document.page(before, measured, verdicts, titles))
    return int(any(run.complaint for runs in measured.values() for run in runs))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Run this program beside its peers, as far as they are on PATH.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    usual = Bench()
    parser.add_argument(
        "--only", type=_names, default=tuple(_SCENARIOS), help="scenarios, with commas"
    )
    parser.add_argument("--tools", default="", help="tools whose name begins so, with commas")
    parser.add_argument("--runs", type=int, default=usual.runs, help="turns of each tool")
    parser.add_argument("--delay", type=float, default=25.0, help="milliseconds a request")
    parser.add_argument("--rate", type=float, default=40.0, help="MB/s of a limited registry")
    parser.add_argument("--images", type=int, default=usual.images, help="images in sync")
    parser.add_argument("--copies", type=int, default=usual.copies, help="images to copy")
    parser.add_argument("--size", type=float, default=30.0, help="MB of each")
    parser.add_argument("--trip", type=float, default=250.0, help="milliseconds to what is far")
    parser.add_argument("--far-size", type=float, default=10.0, help="MB of each that goes far")
    parser.add_argument("--far-rate", type=float, default=10.0, help="MB/s of a line, if it is far")
    parser.add_argument("--entries", type=int, default=usual.entries, help="of the long list")
    parser.add_argument("--scale", action="store_true", help="what an item costs, and shards")
    parser.add_argument("--write", action="store_true", help=f"put the results into {_PAGE.name}")
    return parser.parse_args(argv)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in _SCENARIOS:
            raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(_SCENARIOS)}")
    return names


def _bench(arguments: argparse.Namespace) -> Bench:
    wanted = tuple(filter(None, arguments.tools.split(",")))

    def wants(tool: Tool) -> bool:
        return not wanted or tool.name.startswith(wanted)

    return Bench(
        runs=arguments.runs,
        delay=arguments.delay / 1000,
        rate=int(arguments.rate * MB),
        images=arguments.images,
        copies=arguments.copies,
        size=int(arguments.size * MB),
        entries=arguments.entries,
        trip=arguments.trip / 1000,
        far_size=int(arguments.far_size * MB),
        far_rate=int(arguments.far_rate * MB),
        wants=wants,
        tell=_tell,
    )


def _tell(run: Run) -> None:
    print(f"  {run.tool}: {run.complaint or f'{run.seconds:.2f} s'}", file=sys.stderr, flush=True)


def _tell_of_peers() -> None:
    every = (*tools.CHECKING_PEERS, *tools.COPYING_PEERS, copies.REGCTL)
    for program in dict.fromkeys(tool.program for tool in every if not tool.is_here):
        print(f"{program} is not on PATH, and takes no part", file=sys.stderr)
    if not tools.other_skopeos():
        print("there is no skopeo-VERSION on PATH: skopeo alone takes part", file=sys.stderr)


def _tell_of_load() -> None:
    """Other work on the machine is measured along; seconds mean little then."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(f"this machine is busy (load {load:.1f} on {cores} cores)", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
