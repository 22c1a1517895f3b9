"""Where the program starts: the process's arguments, environment and streams go in here."""

from __future__ import annotations

import io
import os
import sys

from orchestrator.cli import Streams, parse


def main() -> int:
    """The console script `syncer`, and `python -m orchestrator`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that is no text (bytes of another encoding) is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    arguments = parse(sys.argv[1:])
    # Only now, so that --help and --version start fast.
    from orchestrator.commands.main import main as run_command  # noqa: PLC0415

    return run_command(arguments, os.environ, Streams(sys.stdout, sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
