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
    try:
        # Only now, so that --help and --version start fast.
        from orchestrator.commands.main import main as run_command  # noqa: PLC0415

        return run_command(arguments, os.environ, Streams(sys.stdout, sys.stderr))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orchestrator"):
            raise
        return _say_not_set_up(error)


def _say_not_set_up(error: ModuleNotFoundError) -> int:
    """Not all of the requirements are there: not installed yet, or half, or by another Python."""
    from orchestrator.errors import ExitStatus  # noqa: PLC0415
    from orchestrator.system.files import checkout_file  # noqa: PLC0415

    makefile = checkout_file("Makefile")
    print(f"syncer: it is not set up, or only half ({error})", file=sys.stderr)
    again = "install it again, as by: pipx reinstall docker-image-syncer"
    print(f"  -> {f'run: make -C {makefile.parent} setup' if makefile else again}", file=sys.stderr)
    return ExitStatus.TOOL_MISSING


if __name__ == "__main__":
    sys.exit(main())
