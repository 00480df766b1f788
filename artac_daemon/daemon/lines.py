"""Reading a session's output file by absolute offsets, from any point, to its end and beyond."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..keeper.output import head

CHUNK = 256 * 1024
# A line longer than this is passed over whole: nothing that a host must know is as long.
MAX_LINE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Extent:
    """What an output file holds: bytes from `first` up to `size`; what came before is dropped."""

    first: int
    size: int


def extent(path: Path) -> Extent:
    """The extent of an output file; an empty one for a file that is not there yet."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Extent(0, 0)
    try:
        return Extent(head(fd), os.fstat(fd).st_size)
    finally:
        os.close(fd)


class OutputReader:
    """Reads on from an offset; knows what was dropped before it could be read."""

    def __init__(self, path: Path, offset: int) -> None:
        self.offset = offset
        self.dropped = 0  # bytes passed over because they are no longer there
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, most: int = CHUNK) -> bytes:
        """The next bytes, b"" at the end of what is written. Leaps over a punched head."""
        while True:
            self._skip_hole()
            data = os.pread(self._fd, most, self.offset)
            # The head may have been punched while it was read, and what is punched reads as zeros.
            # It goes from the front only: if the first byte is still there, all of them were.
            if not self._skip_hole():
                self.offset += len(data)
                return data

    def byte_before(self, offset: int) -> bytes:
        """The byte just before an offset; b"" beyond the end."""
        return os.pread(self._fd, 1, offset - 1)

    def _skip_hole(self) -> bool:
        """Go on to the next byte that is there; whether that was a leap."""
        # Before the look for data: what is written after that look is no hole.
        size = os.fstat(self._fd).st_size
        try:
            first = os.lseek(self._fd, self.offset, os.SEEK_DATA)
        except OSError:  # ENXIO: at the end, or nothing but a hole up to it
            first = max(self.offset, size)
        if first <= self.offset:
            return False
        self.dropped += first - self.offset
        self.offset = first
        return True


class LineReader:
    """Whole lines of an output file, each with the offset behind it.

    Starting in the middle, or after a leap over what was dropped, the rest of a cut line is
    passed over, so what comes is always a line that Claude wrote.
    """

    def __init__(self, path: Path, offset: int, max_line: int = MAX_LINE) -> None:
        self._reader = OutputReader(path, offset)
        self._max_line = max_line
        self._rest = bytearray()
        self.more = False  # whether the last `lines` read anything
        # A position behind a line's end, as handed out before, is where a line starts.
        self._cut = offset > 0 and self._reader.byte_before(offset) not in (b"\n", b"")
        self.offset = offset  # behind the last line returned
        self.gap_end = offset  # where reading went on after the latest leap

    @property
    def dropped(self) -> int:
        """Bytes that were no longer there when they were to be read."""
        return self._reader.dropped

    def close(self) -> None:
        self._reader.close()

    def lines(self) -> list[tuple[int, bytes]]:
        """The next lines in one chunk of reading; [] when there is nothing more to read now.

        A chunk that completes no line returns [] too: `more` tells the two apart.
        """
        dropped = self._reader.dropped
        data = self._reader.read()
        self.more = bool(data)
        if self._reader.dropped != dropped:
            self._rest.clear()
            self._cut = True
            self.offset = self.gap_end = self._reader.offset - len(data)
        searched = len(self._rest)  # holds no line break yet
        self._rest += data
        found: list[tuple[int, bytes]] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, searched))) >= 0:
            self.offset += end + 1 - start
            if not self._cut:
                found.append((self.offset, bytes(self._rest[start:end])))
            self._cut = False
            start = end + 1
        del self._rest[:start]
        if len(self._rest) > self._max_line:
            self.offset += len(self._rest)
            self._rest.clear()
            self._cut = True
        return found
