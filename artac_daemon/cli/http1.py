"""The part of HTTP/1.1 that artac's API uses, over a connected stream socket.

`http.client` would do it, and would cost every command more time to import than all its work.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

_LARGEST_HEAD = 64 * 1024
_PIECE = 256 * 1024
# What may stand in a path or a query as itself (RFC 3986, unreserved).
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Broken(Exception):
    """The answer ended before it was complete, or is no HTTP/1.1."""


def quote(text: str) -> str:
    """The text as one segment of a path or one value of a query."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)


def request(method: str, target: str, body: bytes | None = None) -> bytes:
    """A whole request; the server closes the connection after its answer."""
    head = f"{method} {target} HTTP/1.1\r\nHost: artac\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + (body or b"")


class Response:
    """An answer as it arrives: its head is read at once, its body by `read` or `pieces`.

    Raises Broken for a connection that breaks, and TimeoutError when the socket has a timeout.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        start, *fields = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        words = start.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise Broken("the answer is not HTTP/1.1")
        self.status = int(words[1])
        self.headers: dict[str, str] = {}
        for line in fields:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece as it comes; ends only where the server says it is complete."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif "content-length" in self.headers:
            length = self.headers["content-length"]
            if not length.isdigit():
                raise Broken(f"the answer has the length {length!r}")
            yield from self._exactly(int(length))
        else:
            while self._buffer or self._fill():
                yield self._take(len(self._buffer))

    def close(self) -> None:
        self._connection.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size_text = self._until(b"\r\n").partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise Broken("the answer has a damaged chunk") from None
            if size == 0:
                while self._until(b"\r\n"):  # trailers
                    pass
                return
            yield from self._exactly(size)
            if self._until(b"\r\n"):
                raise Broken("the answer has a damaged chunk")

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._buffer and not self._fill():
                raise Broken("the answer was cut off")
            piece = self._take(min(size, len(self._buffer)))
            size -= len(piece)
            yield piece

    def _until(self, mark: bytes) -> bytes:
        """What comes before a mark, which is taken too."""
        searched = 0
        while (end := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark) + 1)
            if len(self._buffer) > _LARGEST_HEAD or not self._fill():
                raise Broken("the answer was cut off")
        found = self._take(end + len(mark))
        return found[:end]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> bool:
        try:
            data = self._connection.recv(_PIECE)
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(error.strerror or str(error)) from None
        self._buffer += data
        return bool(data)
