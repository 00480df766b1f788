"""A request that has been sent over a blocking socket, and its answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from . import failures
from .http1 import Broken, Reader

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PIECE = 256 * 1024


class Response:
    """An answer as it arrives: its head is read at once, its body by `read` or `pieces`.

    Raises Broken for a connection that breaks, and TimeoutError when the socket has a timeout.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = Reader()
        self._parts: list[bytes] = []
        while not self._reader.status:
            self._parts += self._more()
        self.status = self._reader.status
        self.headers = self._reader.headers

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece as it comes; ends only where the server says it is complete."""
        while (piece := self.piece()) is not None:
            yield piece

    def piece(self) -> bytes | None:
        """The next piece of the body; None where it is complete."""
        while not self._parts:
            if self._reader.complete:
                return None
            self._parts += self._more()
        found, self._parts = b"".join(self._parts), []
        return found

    def close(self) -> None:
        self._connection.close()

    def _more(self) -> list[bytes]:
        try:
            data = self._connection.recv(_PIECE)
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(error.strerror or str(error)) from None
        return self._reader.feed(data)


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

    def response(self) -> Response:
        """The head of an answer that is no error; whoever takes it closes it."""
        answered = False
        try:
            found = Response(self._connection)
            if found.status >= 400:
                raise failures.refusal(found.status, found.read())
            answered = True
            return found
        except Broken:
            raise failures.broke(self._what) from None
        except TimeoutError:
            raise failures.silent(self._what) from None
        finally:
            if not answered:
                self._connection.close()

    def answer(self) -> dict[str, Any]:
        """The JSON object that is the answer; ArtacError for an error."""
        found = self.response()
        try:
            return failures.content(found.read(), self._what)
        except Broken:
            raise failures.broke(self._what) from None
        except TimeoutError:
            raise failures.silent(self._what) from None
        finally:
            found.close()
