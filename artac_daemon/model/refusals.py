"""What a keeper means when it refuses; daemon and terminals both speak to keepers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ArtacError, ErrorKind

_REFUSALS = {
    "ended": (ErrorKind.NOT_RUNNING, "the session has ended"),
    "closed": (ErrorKind.NOT_RUNNING, "the session's input is closed, it is ending"),
    "clients": (
        ErrorKind.LIMIT,
        "the terminal has all the clients that it may have: somebody has to detach",
    ),
    "full": (ErrorKind.LIMIT, "the session is not reading its input, too much is waiting already"),
}


def refusal(reply: Mapping[str, Any]) -> ArtacError:
    """The error in a keeper's reply."""
    error = reply["error"]
    if error == "in-use":
        what = f"its conversation is in use {reply.get('detail', '')}".strip()
        return ArtacError(ErrorKind.CONFLICT, what)
    unknown = (ErrorKind.FAILED, f"its keeper refused: {error} {reply.get('detail', '')}".strip())
    return ArtacError(*_REFUSALS.get(str(error), unknown))


def silent(session: str) -> ArtacError:
    """The error when a keeper says nothing."""
    return ArtacError(ErrorKind.UNAVAILABLE, f"the keeper of {session} does not answer")


def gone(session: str) -> ArtacError:
    """The error when there is no keeper to be spoken to, or none any more."""
    return ArtacError(
        ErrorKind.NOT_RUNNING, f"session {session} has ended, or takes no more clients"
    )
