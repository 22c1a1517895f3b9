"""Platforms, normalised as containerd does, and chosen as skopeo does.

Sources: containerd/platforms (database.go, platforms.go) for the normal form;
the OCI image index specification for the fields; the platform matcher of
containers/image for which variants serve which wish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from orchestrator.errors import FormatError, did_you_mean

_ARCHITECTURES = frozenset(
    "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x sparc64 "
    "wasm".split()
)
_SYSTEMS = frozenset(
    "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 "
    "windows zos".split()
)
_ARCHITECTURE_ALIASES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_SYSTEM_ALIASES = {"macos": "darwin"}
_VARIANT = re.compile(r"(?:[a-z0-9][a-z0-9._-]*)?")
"""containerd's specifier, less a dash in front, which a program may take for an option."""

_SHOWN = re.compile(
    r"(?P<os>[^/(]*)(?:\((?P<ver>[^)]*)\))?/(?P<architecture>[^/]*)(?:/(?P<variant>.*))?"
)
"""As containerd writes it: `windows(10.0.17763)/amd64`."""

_OS_VERSION = re.compile(r"[0-9A-Za-z._-]{0,64}")

_PLAIN_VARIANTS = {("arm64", "v8"), ("amd64", "v1")}
"""Variants that mean nothing more than the architecture's own baseline."""

_BEST_FIRST = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}
"""Which variants can stand in for which: each runs what comes after it."""


@dataclass(frozen=True, order=True)
class Platform:
    """One operating system on one processor, in containerd's normal form.

    Attributes:
        variant: Empty where the architecture says it all (`arm64/v8` is `arm64`).
        os_version: Windows' own, where an image says it; platforms that differ in nothing else
            are one, and the first of them is chosen, as skopeo does.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os/architecture/variant`; the system may be missing, and is `linux` then.

        Raises:
            FormatError: No such system or architecture, no variant, or too many parts.
        """
        parts = text.strip().lower().split("/")
        if not all(parts) or len(parts) > 3:
            raise _refused(text)
        system = _SYSTEM_ALIASES.get(parts[0], parts[0])
        if system in _SYSTEMS:
            parts = parts[1:]
        else:
            system = "linux" if _is_architecture(parts[0]) or len(parts) == 1 else parts.pop(0)
        if not parts:
            raise _refused(text, f"name the architecture too, as in '{system}/amd64'")
        if system not in _SYSTEMS or len(parts) > 2 or not _is_architecture(parts[0]):
            raise _refused(text, _nearest(system, parts[0]))
        wanted = cls.normal(system, parts[0], parts[1] if len(parts) == 2 else "")
        if not _VARIANT.fullmatch(wanted.variant):
            raise _refused(text)
        is_bare_arm = wanted.architecture == "arm" and not wanted.variant
        return cls(wanted.os, "arm", "v7") if is_bare_arm else wanted

    @classmethod
    def normal(
        cls, os: str, architecture: str, variant: str = "", os_version: str = ""
    ) -> Platform:
        """The normal form of what a manifest or a config says; nothing is refused.

        A missing variant stays missing: skopeo takes such an image for any variant.
        """
        architecture, implied = _ARCHITECTURE_ALIASES.get(
            architecture.lower(), (architecture.lower(), "")
        )
        variant = (implied or variant).lower()
        if variant.isdigit():
            variant = f"v{variant}"
        if (architecture, variant) in _PLAIN_VARIANTS:
            variant = ""
        version = os_version if _OS_VERSION.fullmatch(os_version) else ""
        return cls(_SYSTEM_ALIASES.get(os.lower(), os.lower()), architecture, variant, version)

    @classmethod
    def shown(cls, text: str) -> Platform:
        """What `str` was made of.

        Raises:
            FormatError: The text was not made so.
        """
        found = _SHOWN.fullmatch(text)
        if found is None:
            raise FormatError(f"'{_shown(text)}' is not a platform")
        return cls(found["os"], found["architecture"], found["variant"] or "", found["ver"] or "")

    @property
    def served_by(self) -> tuple[str, ...]:
        """The variants that serve this platform, the best first, as skopeo tries them."""
        order = _BEST_FIRST.get(self.architecture, ())
        if not self.variant:
            return ("", *order)
        lower = order[order.index(self.variant) :] if self.variant in order else (self.variant,)
        return (*lower, "")

    def is_served_by(self, offered: Platform) -> bool:
        """Whether an image for `offered` may be delivered where this one was asked for."""
        same_processor = (offered.os, offered.architecture) == (self.os, self.architecture)
        return same_processor and offered.variant in self.served_by

    def __str__(self) -> str:
        version = f"({self.os_version})" if self.os_version else ""
        tail = f"/{self.variant}" if self.variant else ""
        return f"{self.os}{version}/{self.architecture}{tail}"


@dataclass(frozen=True)
class PlatformChoice:
    """Which platforms of an image an entry wants: one, several, or all.

    Attributes:
        platforms: In the order they were asked for; empty means all.
        optional: Those of several that are left out where the source lacks them.
    """

    platforms: tuple[Platform, ...] = ()
    optional: frozenset[Platform] = frozenset()

    @classmethod
    def parse(cls, text: str) -> PlatformChoice:
        """Read `all`, one platform, or several with commas between.

        A question mark behind one of several makes it optional: `linux/amd64,linux/arm64?`.

        Raises:
            FormatError: One of them is no platform.
        """
        if text.strip().lower() == "all":
            return cls()
        parts = text.split(",")
        if len(parts) > 1 and not all(parts):
            hint = "write them as 'linux/amd64,linux/arm64', no spaces"
            raise FormatError(f"'{_shown(text)}' has a comma too many", hint=hint)
        platforms = tuple(Platform.parse(part.removesuffix("?")) for part in parts)
        marked = zip(parts, platforms, strict=True)
        optional = frozenset(platform for part, platform in marked if part.endswith("?"))
        if len(set(platforms)) == 1 and optional:
            hint = "a question mark goes behind one of several"
            raise FormatError(f"'{_shown(text)}' would leave nothing", hint=hint)
        return cls(tuple(dict.fromkeys(platforms)), optional)

    @property
    def is_all(self) -> bool:
        """Whether the whole index is wanted, whatever it holds."""
        return not self.platforms

    @property
    def single(self) -> Platform | None:
        """The one platform, where it is one; its copy is a plain image, not an index."""
        return self.platforms[0] if len(self.platforms) == 1 else None

    @property
    def in_any_order(self) -> tuple[frozenset[Platform], frozenset[Platform]]:
        """What is asked for, whatever order it stands in: an index keeps its source's order."""
        return frozenset(self.platforms), self.optional

    def left_out_of(self, delivered: str) -> tuple[Platform, ...]:
        """The platforms that a copy lacks since its source does.

        Args:
            delivered: What the copy is for: platforms as they are shown, commas between them.
        """
        if not self.optional:
            return ()
        there = tuple(map(Platform.shown, delivered.split(",")))
        return tuple(one for one in self.platforms if not any(map(one.is_served_by, there)))

    def __str__(self) -> str:
        marked = (f"{one}{'?' if one in self.optional else ''}" for one in self.platforms)
        return ",".join(marked) or "all"


def _is_architecture(word: str) -> bool:
    return word in _ARCHITECTURES or word in _ARCHITECTURE_ALIASES


def _refused(text: str, hint: str = "") -> FormatError:
    otherwise = "write it as 'linux/arm64' or 'linux/arm/v7'"
    return FormatError(f"'{_shown(text)}' is not a platform", hint=hint or otherwise)


def _shown(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."


def _nearest(system: str, architecture: str) -> str:
    if system in _SYSTEMS:
        return did_you_mean(architecture, sorted(_ARCHITECTURES))
    known = [f"linux/{name}" for name in sorted(_ARCHITECTURES)]
    return did_you_mean(f"{system}/{architecture}", known)
