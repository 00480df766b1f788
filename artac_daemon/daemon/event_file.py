"""The file behind the event log: whole JSON lines, appended by one writer, its size bounded.

A cursor is the offset behind a line. Offsets never change: what is too old is punched out of the
head, as with a session's output, and the same readers know what is gone.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..host import processes
from ..host.journal import explained
from ..host.message_ids import MessageId
from ..keeper import output
from ..model.errors import ArtacError, ErrorKind
from .change import Change
from .lines import LineReader

log = logging.getLogger("artac.events")

# Some 50 000 lines, and what a start reads to know which ends were told.
LIMIT = 16 * 1024 * 1024
_PIECE = 64 * 1024


class EventFile:
    """Opened at the first use. Only the holder of the state directory's lock may use it."""

    def __init__(self, path: Path, before_dropping: Callable[[], None], limit: int = LIMIT) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._before_dropping = before_dropping
        self._fd = -1
        self._first = 0
        self._punching = self._failing = self._closed = False
        self._change = Change()

    def open(self) -> None:
        """Make or open it and cut off the half line that a killed writer left. OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self.path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            os.fchmod(fd, 0o600)
            # No cursor points into a half line, so no reader misses what is cut off.
            self._first = output.head(fd)
            self.size = _behind_last_line(fd, self._first)
            os.ftruncate(fd, self.size)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd

    def close(self) -> None:
        """Nothing is added from now on: the file may be another backend's soon."""
        self._closed = True
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def append(self, record: Mapping[str, Any]) -> bool:
        """Add a line; whether it is there. A disk that is full is logged once, not raised."""
        if self._closed:
            return False
        line = (json.dumps(record) + "\n").encode()
        try:
            if self._fd < 0:
                self.open()
            if os.write(self._fd, line) != len(line):
                # Nobody has read it: readers are of this thread.
                os.ftruncate(self._fd, self.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._failing:
                what = "events are not written to %s: %s"
                extra = explained(MessageId.EVENTS_NOT_WRITTEN)
                log.error(what, self.path, error.strerror, extra=extra)
            self._failing = True
            return False
        if self._failing:
            log.info("events are written again")
            self._failing = False
        self.size += len(line)
        self._change.tell()
        self._bound()
        return True

    def records(self) -> Iterator[dict[str, Any]]:
        """Every line that is there, oldest first; what is damaged is passed over."""
        for _, line in self._lines():
            if (record := parse(line)) is not None:
                yield record

    def position(self, cursor: str) -> tuple[int, int]:
        """Where to read on from a cursor, and how many bytes from there are dropped.

        "" is the oldest line that is there, "now" the end. ArtacError for what is no cursor.
        """
        if self._fd < 0:
            raise ArtacError(
                ErrorKind.UNAVAILABLE, "there are no events: the daemon's log says what is wrong"
            )
        if cursor == "now":
            return self.size, 0
        first = output.head(self._fd)
        if cursor == "":
            return first, 0
        if not re.fullmatch(r"[0-9]{1,18}", cursor):
            raise _no_cursor(cursor)
        offset = int(cursor)
        if offset > self.size:
            raise ArtacError(
                ErrorKind.USAGE,
                f"cursor {offset} is beyond the last event ({self.size}): it is of other events, "
                "or the machine went down before they were on disk; read without a cursor",
            )
        if offset <= first:
            return first, first - offset
        if os.pread(self._fd, 1, offset - 1) != b"\n":
            raise _no_cursor(cursor)
        return offset, 0

    async def changed(self) -> None:
        """Wait for the next line."""
        await self._change.wait(None)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        reader = LineReader(self.path, self._first)
        try:
            while True:
                yield from reader.lines()
                if not reader.more:
                    return
        finally:
            reader.close()

    def _bound(self) -> None:
        if self._punching or self.size - self._first <= self._limit:
            return
        self._punching = True  # until it is done; for good where it cannot be
        self._before_dropping()
        length = output.cut(self.size, self._first, self._limit)
        try:
            pid = output.punch(str(self.path), length)
        except OSError as error:
            log.error("events cannot be bounded: %s: %s", output.FALLOCATE, error.strerror)
            return
        processes.ExitWatch(pid, lambda: self._punched(pid))

    def _punched(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        if self._fd < 0:
            return
        if status:
            log.error("events cannot be bounded: this file system cannot punch holes")
            return
        self._first = output.head(self._fd)
        self._punching = False


def parse(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None for one that a power cut has damaged."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("event"), str) else None


def _no_cursor(text: str) -> ArtacError:
    return ArtacError(
        ErrorKind.USAGE, f"cursor {text[:60]!r} is none that an event came with; read without one"
    )


def _behind_last_line(fd: int, first: int) -> int:
    end = os.fstat(fd).st_size
    while end > first:
        start = max(first, end - _PIECE)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return first
