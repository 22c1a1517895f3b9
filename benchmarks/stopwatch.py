"""Times one program: `python -I -S stopwatch.py RESULT PROGRAM [ARGUMENT...]`.

A script of its own, and a small one: Linux counts what the starting process holds in memory into
the peak of the started one (getrusage(2)), so the one that starts it has to be smaller than any
program that is measured. It writes the exit status, the seconds of the wall and the processor,
and the peak in KiB; those of the program's own children are part of it.
"""

import os
import sys
import time


def main(result: str, *argv: str) -> None:
    """Run the program, and write what it cost to the file `result`."""
    started = time.perf_counter()
    process = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    processor = used.ru_utime + used.ru_stime
    line = f"{os.waitstatus_to_exitcode(status)} {seconds} {processor} {used.ru_maxrss}\n"
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123  (pathlib is not small)
        file.write(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
