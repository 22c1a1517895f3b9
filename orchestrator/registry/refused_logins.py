"""Registries that take a login for wrong: one message says it, and no other image asks again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Reference


class RefusedLogins:
    """What a run knows of refused logins; any number of threads may ask.

    Args:
        refuses: Whether a registry takes the login for a reference for wrong, as
            `RegistryClient.refuses_login` finds out.
        login_of: What holds a registry's credentials, in the user's words.
    """

    def __init__(
        self, refuses: Callable[[Reference], bool], login_of: Callable[[str], str]
    ) -> None:
        self._refuses = refuses
        self._login_of = login_of
        self._errors: dict[str, ImageError | None] = {}
        self._lock = threading.Lock()

    def known(self, *references: Reference) -> ImageError | None:
        """The error of an image that needs one of these, where that is known beforehand."""
        found = (self._errors.get(reference.registry) for reference in references)
        return next(filter(None, found), None)

    def explained(self, error: ImageError, *references: Reference) -> ImageError:
        """The error, or a better one: that it is the login that is wrong, and not the image.

        Args:
            error: Of an image.
            references: Where the image is read, and where it is written.
        """
        if error.kind is not ErrorKind.UNAUTHORIZED:
            return error
        for reference in references:
            if reference.registry == error.registry:
                return self._found_out(reference) or error
        return error

    def _found_out(self, reference: Reference) -> ImageError | None:
        """Ask a registry once."""
        registry = reference.registry
        with self._lock:
            if registry not in self._errors:
                is_refused = self._refuses(reference)
                self._errors[registry] = self._refusal(registry) if is_refused else None
            return self._errors[registry]

    def _refusal(self, registry: str) -> ImageError:
        return ImageError(
            ErrorKind.UNAUTHORIZED,
            f"{registry} refuses the login: user name or password is wrong",
            hint=f"check {self._login_of(registry)}",
            registry=registry,
        )
