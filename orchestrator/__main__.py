"""Where the program starts: the process's arguments, environment and streams go in here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator.cli.arguments import Streams
from orchestrator.cli.parser import parse
from orchestrator.system.streams import finish, standard_streams


def main() -> int:
    """The console script `syncer`, and `python -m orchestrator`."""
    out, err = standard_streams()
    try:
        arguments = parse(sys.argv[1:])
        _leave_working_folder()
        # Only now, so that --help and --version start fast.
        from orchestrator.commands.main import main as run_command  # noqa: PLC0415

        return run_command(arguments, os.environ, Streams(out, err))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orchestrator"):
            raise
        return _say_not_set_up(error)
    finally:
        finish(out)


def _leave_working_folder() -> None:
    """Take the working folder off the path of modules, unless the program itself is there.

    `python -m` puts it there, and whatever lies in it would be run with all secrets.
    """
    ours, here = Path(__file__).resolve().parents[1], Path.cwd()
    if here != ours:
        sys.path[:] = [one for one in sys.path if one and Path(one).resolve() != here]


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
