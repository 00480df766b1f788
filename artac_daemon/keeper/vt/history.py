"""The lines that left the screen by its top: the last of them, bounded by number and size."""

from __future__ import annotations

from collections import deque
from itertools import islice

# What Python adds to each line's bytes.
_OVERHEAD = 48


class History:
    """Lines of text with escape sequences, oldest first. Held as bytes: half the size of a str."""

    def __init__(self, keep_lines: int, keep_bytes: int) -> None:
        self._keep_lines = keep_lines
        self._keep_bytes = keep_bytes
        self._lines: deque[bytes] = deque()
        self._size = 0
        self.wanted = keep_lines > 0 and keep_bytes > 0

    def add(self, line: str) -> None:
        """Take a line; the oldest go for it."""
        data = line.encode()
        self._lines.append(data)
        self._size += len(data) + _OVERHEAD
        while self._lines and (
            len(self._lines) > self._keep_lines or self._size > self._keep_bytes
        ):
            self._size -= len(self._lines.popleft()) + _OVERHEAD

    def clear(self) -> None:
        """Forget all of it."""
        self._lines.clear()
        self._size = 0

    def lines(self) -> list[str]:
        """All that is kept."""
        return [line.decode() for line in self._lines]

    def last(self, count: int) -> bytes:
        """The last so many of the lines, each with its line break."""
        first = max(0, len(self._lines) - max(0, count))
        # No new object for each line: memory that small objects have had once stays the keeper's.
        return b"\r\n".join((*islice(self._lines, first, None), b""))
