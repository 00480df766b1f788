"""The file `messages` of a session: one JSON object a line, appended by one backend at a time.

What is to be durable is on disk when `append` returns. A line that a power cut or a kill has
damaged is passed over: nobody was told that it had been accepted.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..keeper.record import sync_directory

NAME = "messages"
_PIECE = 64 * 1024


def read(path: Path) -> list[dict[str, Any]]:
    """Every whole line's object, oldest first; none for a file that is not there. OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    found = []
    with os.fdopen(fd, "rb") as file:
        for line in file:
            if line.endswith(b"\n") and (note := _parse(line)) is not None:
                found.append(note)
    return found


def append(path: Path, notes: Iterable[Mapping[str, Any]], durable: bool) -> int:
    """Add lines, all or none of them; the file's size. OSError, as of a disk that is full."""
    data = _lines(notes)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        before = _behind_last_line(fd)
        os.ftruncate(fd, before)  # the half line of a killed writer
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(fd)
        except OSError:
            os.ftruncate(fd, before)
            raise
    finally:
        os.close(fd)
    if durable and not before:
        sync_directory(str(path.parent))
    return before + len(data)


def replace(path: Path, notes: Sequence[Mapping[str, Any]]) -> int:
    """Write the file anew, whole or not at all; its size. OSError."""
    data = _lines(notes)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    sync_directory(str(path.parent))
    return len(data)


def size(path: Path) -> int:
    """Its size in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _lines(notes: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(note).encode() + b"\n" for note in notes)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) else None


def _behind_last_line(fd: int) -> int:
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - _PIECE)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
