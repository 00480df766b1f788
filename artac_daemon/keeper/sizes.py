"""The sizes that a session's terminal had, by offset of its output, which does not tell them."""

from __future__ import annotations

import os

SIZES = "sizes"
_MOST = 1000
_LEAST = 500


class Sizes:
    """A file of lines `OFFSET COLUMNS ROWS`, oldest first: the newest 500 to 1000 of them."""

    def __init__(self, name: str = SIZES) -> None:
        self._name = name
        self._lines: list[str] = []

    def add(self, offset: int, columns: int, rows: int) -> None:
        """From that offset on it is of this size. On a full disk nobody is told of it later."""
        self._lines.append(f"{offset} {columns} {rows}\n")
        try:
            if len(self._lines) == 1:
                self._write()
            elif len(self._lines) > _MOST:
                del self._lines[: len(self._lines) - _LEAST]
                self._write()
            else:
                fd = os.open(self._name, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    os.write(fd, self._lines[-1].encode())
                finally:
                    os.close(fd)
        except OSError:
            return

    def _write(self) -> None:
        temporary = f".{self._name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(temporary, flags, 0o600)
        try:
            os.write(fd, "".join(self._lines).encode())
        finally:
            os.close(fd)
        os.rename(temporary, self._name)


def read(text: str) -> list[tuple[int, int, int]]:
    """What such a file says: offset, columns, rows; a line that is cut off is left out."""
    found = []
    for line in text.split("\n")[:-1]:
        parts = line.split(" ")
        if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
            found.append((int(parts[0]), int(parts[1]), int(parts[2])))
    return found
