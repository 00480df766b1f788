"""What can go wrong between a client and the daemon, each told as an ArtacError."""

from __future__ import annotations

from ..model.errors import ArtacError, ErrorKind, NotAdmitted

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoDaemon(ArtacError):
    """Nobody listens: nothing was asked of anyone."""


class ConnectionLost(ArtacError):
    """The answer did not come whole: what was asked may have been done, or not."""


def no_daemon(failures: list[tuple[str, OSError]]) -> NoDaemon:
    """What to tell of sockets that could not be connected to; asks systemd, so it takes time."""
    from .absence import explain

    kind, message = explain(failures)
    return NoDaemon(kind, message)


def broken_off(why: object) -> ConnectionLost:
    """A long answer broke off."""
    return ConnectionLost(ErrorKind.UNAVAILABLE, f"the connection to the daemon broke: {why}")


def broke(what: str) -> ConnectionLost:
    """The connection broke in the middle of that."""
    told = f"the connection to the daemon broke ({what})"
    return ConnectionLost(ErrorKind.UNAVAILABLE, told)


def silent(what: str) -> ArtacError:
    """The daemon took too long for that."""
    told = f"the daemon does not answer ({what}); it may be stopped or overloaded"
    return ArtacError(ErrorKind.TIMEOUT, told)


def content(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object that is an answer to that."""
    import json

    try:
        found = json.loads(body)
    except ValueError:
        raise ArtacError(ErrorKind.FAILED, f"the daemon's answer is not JSON ({what})") from None
    if not isinstance(found, dict):
        raise ArtacError(ErrorKind.FAILED, "the daemon's answer is not understood")
    return found


def refusal(status: int, body: bytes) -> ArtacError:
    """The error that an answer is."""
    import json

    try:
        told = json.loads(body)["error"]
        if "admission" in told:
            return NotAdmitted(str(told["admission"]))
        return ArtacError(ErrorKind.from_wire(told["kind"]), str(told["message"]))
    except (ValueError, KeyError, TypeError):
        return ArtacError(ErrorKind.FAILED, f"the daemon answered with status {status}")


def still_there(error: ArtacError) -> bool:
    """Whether a daemon that was only asked how it is goes on being one; raises what is worse."""
    if error.kind in (ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT):
        return False
    raise error
