"""Requests to the daemon over blocking sockets, one connection for each."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Sequence

from ..model.errors import ArtacError
from . import failures, http1
from .call import Call, Response
from .http1 import Broken

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .steps import Ask, Procedure, Reading, Step, T

# What the daemon answers from memory or disk takes milliseconds; one that is stopped never does.
QUICK = 30.0
# How long somebody waits for a daemon that went away meanwhile.
PATIENCE = 30.0


def account() -> str:
    """The name of the account that this process runs as."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def usual_sockets() -> list[str]:
    """Where to look for the daemon, in order, when nobody says."""
    from ..client_sockets import client_sockets

    return list(client_sockets(os.environ))


class Connections:
    """Talks to the first of those sockets that a daemon listens on, and to that one only.

    Any number of threads may use it: a request has a connection of its own.
    """

    def __init__(self, candidates: Sequence[str]) -> None:
        self.candidates = list(candidates)  # where to look for it; one, once it has answered
        self.met = False  # whether a daemon was there before

    def begin(
        self,
        method: str,
        target: str,
        body: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> Call:
        """Send a request. `seconds` bounds each wait for the daemon; None waits for ever."""
        return self._send(self._connect(), method, target, body, seconds)

    def get(self, target: str, seconds: float | None = QUICK) -> dict[str, Any]:
        """Ask for something."""
        return self.begin("GET", target, seconds=seconds).answer()

    def post(self, target: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something to be done, however long it takes."""
        return self.begin("POST", target, body).answer()

    def listened_to(self) -> bool:
        """Whether anybody listens; unlike a request, it does not look into why nobody does."""
        connection = self._try([])
        if connection is not None:
            connection.close()
        return connection is not None

    # Carrying out procedures

    def carry_out(self, procedure: Procedure[T]) -> T:
        """Do all its steps; what it comes to."""
        held = _Held()
        try:
            step = procedure.send(None)
            while True:
                try:
                    given = self._do(step, held)
                except ArtacError as error:
                    step = procedure.throw(error)
                else:
                    step = procedure.send(given)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            held.close()
            procedure.close()

    def read_along(self, reading: Reading) -> Generator[Any, None, None]:
        """Do all its steps; what it gives on the way."""
        from .steps import Give

        held = _Held()
        try:
            step = reading.send(None)
            while True:
                try:
                    given: Any = None
                    if isinstance(step, Give):
                        yield step.item
                    else:
                        given = self._do(step, held)
                except ArtacError as error:
                    step = reading.throw(error)
                else:
                    step = reading.send(given)
        except StopIteration:
            return
        finally:
            held.close()
            reading.close()

    def ask(self, request: Ask) -> dict[str, Any]:
        """The answer to a procedure's request."""
        return self.begin(request.method, request.target, request.body, request.seconds).answer()

    def note(self, text: str) -> None:
        """A procedure's word for a person who waits; nobody is told here."""

    def _do(self, step: Step, held: _Held) -> Any:
        from . import steps

        if isinstance(step, steps.Ask):
            return self.ask(step)
        if isinstance(step, steps.Open):
            held.close()
            held.response = self.begin("GET", step.target).response()
            return held.response.headers
        if isinstance(step, steps.Read):
            return held.next_piece()
        if isinstance(step, steps.Pause):
            return time.sleep(step.seconds)
        if isinstance(step, steps.Knock):
            return self._knock(step.seconds)
        if isinstance(step, steps.Known):
            return self.met
        if isinstance(step, steps.Note):
            return self.note(step.text)
        raise TypeError(f"{step!r} is for who reads along")

    def _knock(self, seconds: float) -> bool:
        connection = self._try([])
        if connection is None:
            return False
        try:
            self._send(connection, "GET", "/v1/health", None, seconds).answer()
        except ArtacError as error:
            return failures.still_there(error)
        return True

    def _send(
        self,
        connection: socket.socket,
        method: str,
        target: str,
        body: dict[str, Any] | None,
        seconds: float | None,
    ) -> Call:
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
        return Call(connection, http1.what(method, target))

    def _connect(self) -> socket.socket:
        tried: list[tuple[str, OSError]] = []
        connection = self._try(tried)
        if connection is None:
            raise failures.no_daemon(tried)
        return connection

    def _try(self, tried: list[tuple[str, OSError]]) -> socket.socket | None:
        for path in self.candidates:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(path)
            except OSError as error:
                connection.close()
                tried.append((path, error))
                continue
            self.candidates = [path]
            self.met = True
            return connection
        return None


class _Held:
    """The long answer that a procedure has open."""

    def __init__(self) -> None:
        self.response: Response | None = None

    def next_piece(self) -> bytes | None:
        assert self.response is not None
        try:
            return self.response.piece()
        except Broken as error:
            raise failures.broken_off(error) from None

    def close(self) -> None:
        if self.response is not None:
            self.response.close()
