"""The one error type, and what each kind of error means to a shell and to an HTTP client."""

from __future__ import annotations

from enum import Enum


class ErrorKind(Enum):
    """A stable name on the wire, with the command's exit code and the HTTP status it maps to."""

    FAILED = ("failed", 1, 500)
    USAGE = ("usage", 2, 400)
    NOT_RUNNING = ("not-running", 3, 409)
    NOT_FOUND = ("not-found", 4, 404)
    DENIED = ("denied", 5, 403)
    CONFLICT = ("conflict", 6, 409)
    UNAVAILABLE = ("unavailable", 7, 503)
    TIMEOUT = ("timeout", 8, 504)
    LIMIT = ("limit", 9, 429)
    CONFIG = ("config", 78, 500)

    def __init__(self, wire: str, exit_code: int, http_status: int) -> None:
        self.wire = wire
        self.exit_code = exit_code
        self.http_status = http_status

    @classmethod
    def from_wire(cls, wire: str) -> ErrorKind:
        """The kind of that name; FAILED for one this version does not know."""
        return next((kind for kind in cls if kind.wire == wire), cls.FAILED)


def printable(text: str) -> str:
    """The text on one line, with everything unprintable in it escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class ArtacError(Exception):
    """Something that a user can be told in one line, whatever names and values are in it."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        self.kind = kind
        self.message = printable(message)
        super().__init__(self.message)


class NotAdmitted(ArtacError):
    """No session may start now; `reason` says why, with figures. Who waits may be let in later."""

    def __init__(self, reason: str) -> None:
        self.reason = printable(reason)
        super().__init__(
            ErrorKind.LIMIT,
            f"not started: {reason}; `artac run --queue` waits until it may be",
        )


class TurnExit:
    """Exit codes of `run --wait` and `send --wait`, by the turn's outcome."""

    SUCCESS = 0
    FAILED = 10
    INTERRUPTED = 11
    SESSION_ENDED = 12
    CANCELLED = 13
