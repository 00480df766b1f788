"""The client's side of the API: finding the daemon, asking it, and telling why that failed."""

from __future__ import annotations

import os
import pwd
import socket
import sys
import time
from collections.abc import Sequence

from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from . import http1

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

# What the daemon answers from memory or disk takes milliseconds; one that is stopped never does.
QUICK = 30.0
# How long a command waits for a daemon that went away while the command was at it.
PATIENCE = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class NoDaemon(ArtacError):
    """Nobody listens: nothing was asked of anyone."""


class ConnectionLost(ArtacError):
    """The answer did not come whole: what was asked may have been done, or not."""


def note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    from .escapes import harmless

    print(f"artac: {harmless(text)}", file=sys.stderr, flush=True)


def account() -> str:
    """The name of the account that runs this command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def sockets(options: Namespace) -> list[str]:
    """Where to look for the daemon, in order."""
    if asked := options.socket or os.environ.get("ARTAC_SOCKET"):
        return [asked]
    from ..host.client_sockets import client_sockets

    return client_sockets(os.environ, account())


def session_path(reference: str, *rest: str) -> str:
    """The API's path of a session, given by id, name, or the start of an id."""
    if not reference.strip("."):
        raise ArtacError(ErrorKind.USAGE, f"{reference!r} is no session's id or name")
    return "/".join(("/v1/sessions", http1.quote(reference), *map(http1.quote, rest)))


def with_query(path: str, **values: str | int | float | None) -> str:
    """The path with a query of those values that are not None."""
    words = [
        f"{key}={http1.quote(str(value))}" for key, value in values.items() if value is not None
    ]
    return f"{path}?{'&'.join(words)}" if words else path


class Call:
    """One request that has been sent; its answer can be read later."""

    def __init__(self, connection: socket.socket, what: str) -> None:
        self._connection = connection
        self._what = what

    def fileno(self) -> int:
        """Readable once there is something of the answer."""
        return self._connection.fileno()

    def abandon(self) -> None:
        """Wait for no answer any more."""
        self._connection.close()

    def response(self) -> http1.Response:
        """The head of an answer that is no error; whoever takes it closes it."""
        try:
            found = http1.Response(self._connection)
            if found.status < 400:
                return found
            problem = _error(found)
        except (http1.Broken, TimeoutError) as error:
            problem = self._told(error)
        self._connection.close()
        raise problem

    def answer(self) -> dict[str, Any]:
        """The JSON object that is the answer; ArtacError for an error."""
        import json

        found = self.response()
        try:
            content = json.loads(found.read())
        except (http1.Broken, TimeoutError, ValueError) as error:
            raise self._told(error) from None
        finally:
            found.close()
        if not isinstance(content, dict):
            raise ArtacError(ErrorKind.FAILED, "the daemon's answer is not understood")
        return content

    def _told(self, error: Exception) -> ArtacError:
        if isinstance(error, TimeoutError):
            return ArtacError(
                ErrorKind.TIMEOUT,
                f"the daemon does not answer ({self._what}); it may be stopped or overloaded",
            )
        if isinstance(error, http1.Broken):
            return ConnectionLost(
                ErrorKind.UNAVAILABLE, f"the connection to the daemon broke ({self._what})"
            )
        return ArtacError(ErrorKind.FAILED, f"the daemon's answer is not JSON ({self._what})")


class Client:
    """Talks to the first of those sockets that a daemon listens on, and to that one only."""

    def __init__(self, candidates: Sequence[str]) -> None:
        self._candidates = list(candidates)
        self.met = False  # whether a daemon was there before

    @classmethod
    def of(cls, options: Namespace) -> Client:
        """The client that a command's options and environment ask for."""
        return cls(sockets(options))

    def begin(
        self,
        method: str,
        target: str,
        body: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> Call:
        """Send a request. `seconds` bounds each wait for the daemon; None waits for ever."""
        connection = self._connect()
        connection.settimeout(seconds)
        raw = None
        if body is not None:
            import json

            raw = json.dumps(body).encode()
        try:
            connection.sendall(http1.request(method, target, raw))
        except OSError:
            # A refusal of a body that is too large comes before all of it was taken.
            pass
        return Call(connection, f"{method} {target.partition('?')[0]}")

    def get(self, target: str, seconds: float | None = QUICK) -> dict[str, Any]:
        """Ask for something."""
        return self.begin("GET", target, seconds=seconds).answer()

    def post(self, target: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something to be done, however long it takes."""
        return self.begin("POST", target, body).answer()

    def outlast(self, lost: ArtacError, seconds: float = PATIENCE) -> None:
        """Wait for a daemon that went away to answer again; raises `lost` when it does not."""
        note(f"the daemon is gone; waiting up to {seconds:g}s for it to come back")
        deadline = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while True:
            time.sleep(pause)
            try:
                self.get("/v1/health", max(0.1, deadline - time.monotonic()))
                break
            except ArtacError as error:
                if error.kind not in (ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT):
                    raise
            if time.monotonic() + pause >= deadline:
                raise lost
            pause = min(_LONGEST_PAUSE, pause * 2)
        note("the daemon is back")

    def listened_to(self) -> bool:
        """Whether anybody listens; unlike a request, it does not look into why nobody does."""
        connection = self._try([])
        if connection is not None:
            connection.close()
        return connection is not None

    def _connect(self) -> socket.socket:
        failures: list[tuple[str, OSError]] = []
        connection = self._try(failures)
        if connection is not None:
            return connection
        from .absence import explain

        kind, message = explain(failures)
        raise NoDaemon(kind, message)

    def _try(self, failures: list[tuple[str, OSError]]) -> socket.socket | None:
        for path in self._candidates:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(path)
            except OSError as error:
                connection.close()
                failures.append((path, error))
                continue
            self._candidates = [path]
            self.met = True
            return connection
        return None


def _error(found: http1.Response) -> ArtacError:
    import json

    try:
        told = json.loads(found.read())["error"]
        if "admission" in told:
            return NotAdmitted(str(told["admission"]))
        return ArtacError(ErrorKind.from_wire(told["kind"]), str(told["message"]))
    except (ValueError, KeyError, TypeError):
        return ArtacError(ErrorKind.FAILED, f"the daemon answered with status {found.status}")
