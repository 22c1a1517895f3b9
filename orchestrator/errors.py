"""The one family of errors: what failed, for whom, and what to do next.

    SyncerError                  a sentence for the user, and a hint
    ├── UsageError               the command line; exit status 2
    ├── FormatError              a text that can't be read, wherever it stands; 2
    ├── ConfigurationError       config.env, targets.toml, the environment, the list; 2
    ├── ToolMissingError         skopeo is missing or too old; 3
    ├── LockedError              another run holds the state directory; 4
    ├── ImageError               one item failed: part of the report, the others go on
    ├── HttpError                no answer by HTTP (`system/http.py`); whoever asked handles it
    └── DeferredError            an item is left to the next run: part of the report
        └── InterruptedRunError  by Ctrl-C or SIGTERM; 130

What ends the program carries the exit status that it ends with. Whether another try makes sense
is said in one place: `ImageError.is_transient`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum


class Side(Enum):
    """One end of a copy: the source or the destination."""

    SOURCE = "source"
    DESTINATION = "destination"


class ExitStatus(IntEnum):
    """The program's exit status; scripts rely on the numbers."""

    OK = 0
    """All items are in sync: copied, or already there."""
    FAILED = 1
    """Some item failed, or a line of the list was bad."""
    USAGE = 2
    """The command line or the configuration is wrong; nothing was done."""
    TOOL_MISSING = 3
    """A program we need is missing or too old."""
    LOCKED = 4
    """Another run holds the state directory."""
    INTERRUPTED = 130
    """Ended by Ctrl-C or SIGTERM, as shells count it (128 + SIGINT)."""


class ErrorKind(str, Enum):
    """Why an item failed. The value is what the report says."""

    NO_SUCH_PLATFORM = "no-such-platform"
    PLATFORM_MISMATCH = "platform-mismatch"
    NOT_FOUND = "not-found"
    UNAUTHORIZED = "unauthorized"
    DENIED = "denied"
    RATE_LIMITED = "rate-limited"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    TOO_LARGE = "too-large"
    OVER_LIMIT = "over-limit"
    QUOTA = "quota"
    READ_ONLY = "read-only"
    IMMUTABLE = "immutable"
    NO_SUCH_NAMESPACE = "no-such-namespace"
    UNSIGNED = "unsigned"
    SOURCE_INCOMPLETE = "source-incomplete"
    BAD_MANIFEST = "bad-manifest"
    DIGEST_MISMATCH = "digest-mismatch"
    CONFLICT = "conflict"
    NO_SPACE = "no-space"
    TOOL = "tool"
    LOST = "lost"

    @property
    def is_transient(self) -> bool:
        """Whether the fault may heal by itself, so that trying again makes sense."""
        return self in _TRANSIENT


_TRANSIENT = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT})


INCOMPLETE_HINT = (
    "the tag is there, but not all that it names: choose another tag, or ask its maintainer to "
    "push it anew"
)


class SyncerError(Exception):
    """Base of the family. `str(error)` is one sentence, subject first.

    Attributes:
        hint: What the user can do next; empty where there is nothing to say.
    """

    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """The sentence alone, without the hint."""
        return str(self.args[0])


class UsageError(SyncerError):
    """The command line can't be carried out as it stands."""

    exit_status = ExitStatus.USAGE


class FormatError(SyncerError):
    """A text is not what it should be: a reference, a platform, a name.

    Whoever knows where the text stands (a line of a file, an option) says so.
    """

    exit_status = ExitStatus.USAGE


class ConfigurationError(SyncerError):
    """config.env, targets.toml or the environment is wrong; the message names where.

    Attributes:
        problems: What is wrong line by line, where it stands in lines of a file.
    """

    exit_status = ExitStatus.USAGE

    def __init__(self, message: str, *, hint: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class ToolMissingError(SyncerError):
    """A program is not there, or older than we support."""

    exit_status = ExitStatus.TOOL_MISSING


class LockedError(SyncerError):
    """Another run holds the state directory."""

    exit_status = ExitStatus.LOCKED


class DeferredError(SyncerError):
    """An item is not worked on in this run, though nothing is wrong with it.

    The message is the reason, as the report has it.
    """


class InterruptedRunError(DeferredError):
    """The user or the system asked us to stop."""

    exit_status = ExitStatus.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted")


class ImageError(SyncerError):
    """One image could not be inspected or copied; the other items go on.

    Attributes:
        kind: The class of fault; it decides whether trying again makes sense.
        retry_after: Seconds the registry asked us to wait, where it said so.
        transient: Whether another try may succeed, where that is known better than its kind
            tells: False for a limit of six hours, True for a token that ran out. None: as the
            kind says.
        registry: Where it failed, if it was a registry's doing.
        may_be_absent: Whether a registry that reads so may just not have it.
    """

    def __init__(  # noqa: PLR0913  (each is a fact of its own about a failure)
        self,
        kind: ErrorKind,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        transient: bool | None = None,
        registry: str = "",
        may_be_absent: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.may_be_absent = may_be_absent
        self.registry = registry
        self.retry_after = retry_after
        self.transient = transient

    def about(self, subject: str) -> ImageError:
        """The same, said of another subject: of a tag, where a part of it has failed."""
        return self._reworded(f"{subject}: {self.message.partition(': ')[2]}", self.hint)

    def redacted(self, redact: Callable[[str], str]) -> ImageError:
        """The same error without any secret in its words."""
        return self._reworded(redact(self.message), redact(self.hint))

    def _reworded(self, message: str, hint: str) -> ImageError:
        return ImageError(
            self.kind,
            message,
            hint=hint,
            retry_after=self.retry_after,
            transient=self.transient,
            registry=self.registry,
            may_be_absent=self.may_be_absent,
        )

    @property
    def is_transient(self) -> bool:
        """Whether another try may succeed."""
        return self.kind.is_transient if self.transient is None else self.transient


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file that a user edits, and where it stands.

    Lines and columns count from 1; column 0 means the whole line.
    """

    file: str
    line: int
    column: int
    text: str
    message: str
    hint: str = ""

    def redacted(self, redact: Callable[[str], str]) -> Problem:
        """The same without secrets: into a line a user may have written anything."""
        text, message, hint = map(redact, (self.text, self.message, self.hint))
        return replace(self, text=text, message=message, hint=hint)

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        place = f"{self.file}:{self.line}{column}" if self.line else f"'{self.text}'"
        tail = f"; {self.hint}" if self.hint else ""
        return f"{place}: {self.message}{tail}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'X'?" for the known word nearest to `word`, or nothing."""
    near = difflib.get_close_matches(word, tuple(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


_FILES = "allow more open files (ulimit -n), or lower JOBS"
_PROCESSES = "allow more processes and threads (ulimit -u), or lower JOBS"
_DISK = "free some of the disk"
_MEMORY = "give it more memory, or lower JOBS"
_HINTS: Mapping[int | None, str] = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
}
_REPORT = "this is a bug: please report it; -v shows where it came from"


def explained(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do about it, without what was in hand: it may be secret."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return f"{place}{error.strerror or type(error).__name__}", _HINTS.get(error.errno, "")
    if isinstance(error, MemoryError):
        return "there is no more memory", _MEMORY
    if is_thread_lack(error):
        return "no more threads can be started", _PROCESSES
    return f"something went wrong that nobody foresaw ({type(error).__name__})", _REPORT


def is_thread_lack(error: Exception) -> bool:
    """Whether no thread could be started; Python tells that by its words alone."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def image_fault(error: Exception, *, of: str) -> ImageError:
    """The same as what ends one image.

    Args:
        error: What was raised.
        of: The image.
    """
    words, hint = explained(error)
    is_full = isinstance(error, OSError) and _HINTS.get(error.errno) == _DISK
    return ImageError(
        ErrorKind.NO_SPACE if is_full else ErrorKind.TOOL, f"{of}: {words}", hint=hint
    )
