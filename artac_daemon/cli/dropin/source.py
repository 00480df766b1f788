"""A session's output file, read as it grows."""

import errno
import posix

_PIECE = 64 * 1024


class Source:
    """What is to be passed on: from `at` to the end of the file, or to `end` once it is known."""

    def __init__(self, fd: int, at: int) -> None:
        self.at = at
        self.end: int | None = None
        self.dropped = 0  # what was not there any more when it was its turn (bytes)
        self._fd = fd

    @property
    def done(self) -> bool:
        """Whether all that there will ever be was passed on."""
        return self.end is not None and self.at >= self.end

    def read(self) -> bytes:
        """What is next; b"" where there is nothing now. It stays next until `at` is moved."""
        while True:
            data = posix.pread(self._fd, _PIECE, self.at)
            if not data:
                if self.end is not None:
                    self.at = max(self.at, self.end)  # shorter than it was said to be
                return b""
            # After reading: a head that was dropped meanwhile reads as zeros.
            there = self._data_from(self.at)
            if there <= self.at:
                return data
            there = self._line_after(there)
            self.dropped += there - self.at
            self.at = there

    def size(self) -> int:
        """How far the file goes now."""
        return posix.fstat(self._fd).st_size

    def line_start(self, at: int) -> int:
        """The start of the line that the byte at that offset is in."""
        while at > 0:
            first = max(0, at - _PIECE)
            cut = posix.pread(self._fd, at - first, first).rfind(b"\n")
            if cut >= 0:
                return first + cut + 1
            at = first
        return 0

    def _line_after(self, at: int) -> int:
        while data := posix.pread(self._fd, _PIECE, at):
            cut = data.find(b"\n")
            if cut >= 0:
                return at + cut + 1
            at += len(data)
        return at

    def _data_from(self, at: int) -> int:
        try:
            return posix.lseek(self._fd, at, posix.SEEK_DATA)
        except OSError as error:
            # Nothing but a hole up to the end, or a file system that does not tell.
            return posix.fstat(self._fd).st_size if error.errno == errno.ENXIO else at
