"""Where the program starts: the process's arguments, environment and streams go in here."""

from __future__ import annotations

import io
import os
import sys

from orchestrator.cli import main as run_command
from orchestrator.command_line import Streams


def main() -> int:
    """The console script `syncer`, and `python -m orchestrator`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that is no text (bytes of another encoding) is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    return run_command(sys.argv[1:], os.environ, Streams(sys.stdout, sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
