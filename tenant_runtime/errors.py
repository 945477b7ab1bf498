"""The errors of a tenant that have an HTTP meaning.

One class, as in LoopBack: what differs is the name, the status and the code that the client sees.
``remoting.errors`` turns them into a response; nothing else does.
"""

from __future__ import annotations

from typing import Any


class LoopbackError(Exception):
    """An error for the client: ``status`` and the members of LoopBack's error body.

    ``status`` may be a text where the original's driver gives one ("422"); the response line then uses
    its number. 5xx messages are shown only where the error handler's ``debug`` is on.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | str = 500,
        code: str | None = None,
        name: str = "Error",
        details: Any = None,
        **properties: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.name = name
        self.details = details
        self.properties = properties


class ConfigurationError(Exception):
    """A tenant's files are wrong. The worker exits with code 78; the daemon does not retry.

    ``file`` is relative to the tenant's folder, ``pointer`` a JSON pointer (RFC 6901), ``line`` starts at 1.
    """

    def __init__(self, message: str, *, file: str = "", pointer: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.pointer = pointer
        self.line = line

    def __str__(self) -> str:
        place = (
            self.file
            + (f":{self.line}" if self.line else "")
            + (f" at {self.pointer}" if self.pointer else "")
        )
        return f"{place}: {self.message}" if place else self.message


class MultipleErrors(LoopbackError):
    """Creating several objects failed for some: ``errors`` has None at the places of the good ones."""

    def __init__(self, errors: list[LoopbackError | None]) -> None:
        super().__init__(
            "Failed with multiple errors, see `details` for more information.", name="ArrayOfErrors"
        )
        self.errors = errors
