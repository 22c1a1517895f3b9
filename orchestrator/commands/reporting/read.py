"""Reports of earlier runs, as the command line names them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.errors import FormatError
from orchestrator.report.merge import ShardReport, read_report

_log = logging.getLogger(__name__)


def read_reports(paths: Iterable[str]) -> Iterator[tuple[str, ShardReport]]:
    """Those that can be read, with their paths; of the others a warning says why they can't."""
    for path in paths:
        try:
            yield path, read_report(Path(path).read_bytes())
        except OSError as error:
            _log.warning("%s can't be read: %s", path, error.strerror)
        except FormatError as error:
            _log.warning("%s: %s", path, error.message)
