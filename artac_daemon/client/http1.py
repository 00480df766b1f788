"""The part of HTTP/1.1 that artac's API uses: bytes in and bytes out, without a connection.

`http.client` would do it, and would cost every command more time to import than all its work.
"""

from __future__ import annotations

_LARGEST_HEAD = 64 * 1024
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


def what(method: str, target: str) -> str:
    """A request in a few words, without what its query says."""
    return f"{method} {target.partition('?')[0]}"


class Reader:
    """An answer, out of the bytes it comes in, however they are cut."""

    def __init__(self) -> None:
        self.status = 0  # until the head is there
        self.headers: dict[str, str] = {}
        self.complete = False  # nothing more belongs to it
        self._buffer = bytearray()
        self._searched = 0  # where a mark that is looked for cannot begin before
        self._left = 0  # of the body, or of the chunk under way
        self._next = self._head

    def feed(self, data: bytes) -> list[bytes]:
        """The parts of the body in these bytes; b"" says that there will be no more of them.

        Raises Broken where the answer is damaged, or ends too early.
        """
        self._buffer += data
        parts: list[bytes] = []
        while not self.complete and self._next(parts):
            pass
        if not data and not self.complete:
            # One without a length ends with its connection.
            if self._next != self._unbounded:
                raise Broken("the answer was cut off")
            self.complete = True
        return parts

    # Each part of an answer: takes what is there of it; whether the next one can be looked at.

    def _head(self, parts: list[bytes]) -> bool:
        raw = self._until(b"\r\n\r\n")
        if raw is None:
            return False
        start, *fields = raw.decode("latin-1").split("\r\n")
        words = start.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise Broken("the answer is not HTTP/1.1")
        for line in fields:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(words[1])
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._next = self._chunk_size
        elif "content-length" in self.headers:
            length = self.headers["content-length"]
            if not length.isdigit():
                raise Broken(f"the answer has the length {length!r}")
            self._left = int(length)
            self._next = self._exactly
        else:
            self._next = self._unbounded
        return True

    def _unbounded(self, parts: list[bytes]) -> bool:
        if self._buffer:
            parts.append(self._take(len(self._buffer)))
        return False

    def _exactly(self, parts: list[bytes]) -> bool:
        self._rest(parts)
        self.complete = not self._left
        return False

    def _chunk_size(self, parts: list[bytes]) -> bool:
        line = self._until(b"\r\n")
        if line is None:
            return False
        try:
            self._left = int(line.partition(b";")[0].strip(), 16)
        except ValueError:
            raise Broken("the answer has a damaged chunk") from None
        if self._left < 0:
            raise Broken("the answer has a damaged chunk")
        self._next = self._chunk if self._left else self._trailers
        return True

    def _chunk(self, parts: list[bytes]) -> bool:
        self._rest(parts)
        if not self._left:
            self._next = self._chunk_end
        return not self._left

    def _chunk_end(self, parts: list[bytes]) -> bool:
        line = self._until(b"\r\n")
        if line is None:
            return False
        if line:
            raise Broken("the answer has a damaged chunk")
        self._next = self._chunk_size
        return True

    def _trailers(self, parts: list[bytes]) -> bool:
        line = self._until(b"\r\n")
        self.complete = line == b""
        return bool(line)

    def _rest(self, parts: list[bytes]) -> None:
        if size := min(self._left, len(self._buffer)):
            self._left -= size
            parts.append(self._take(size))

    def _until(self, mark: bytes) -> bytes | None:
        """What comes before a mark, which is taken too; None where it has not come yet."""
        end = self._buffer.find(mark, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(mark) + 1)
            if len(self._buffer) > _LARGEST_HEAD:
                raise Broken("the answer was cut off")
            return None
        self._searched = 0
        return self._take(end + len(mark))[:end]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
