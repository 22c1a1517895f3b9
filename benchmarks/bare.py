"""Runs commands, so many at once: `python -I -S bare.py JOBS FILE`.

The floor under a copying program: the same copies, and nothing around them. Each line of the file
is a command, its words parted by tabs; the first word is the number of the line that has to end
before, or -1. A script of its own, so that starting it costs next to nothing.
"""

import os
import sys


def main(jobs: str, path: str) -> int:
    """Run the commands in their order; the status is the worst of theirs."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123  (pathlib is not small)
        lines = [line.rstrip("\n").split("\t") for line in file]
    waiting = {place: (int(after), argv) for place, (after, *argv) in enumerate(lines)}
    running: dict[int, int] = {}
    done = {-1}
    worst = 0
    while waiting or running:
        ready = [place for place, (after, _) in waiting.items() if after in done]
        for place in ready[: int(jobs) - len(running)]:
            argv = waiting.pop(place)[1]
            running[os.posix_spawnp(argv[0], argv, os.environ)] = place
        process, status = os.wait()
        done.add(running.pop(process))
        worst = max(worst, abs(os.waitstatus_to_exitcode(status)))
    return worst


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
