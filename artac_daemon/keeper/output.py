"""Bounding what a session's output files hold on disk.

The files are append-only and their offsets never change: what is too old is punched out of the
head, so that a file keeps its length and loses its oldest blocks. `fallocate` of util-linux does
it, because the standard library has no call with that flag and ctypes would cost every keeper
memory for what few of them ever need.
"""

from __future__ import annotations

import errno
import os

FALLOCATE = "/usr/bin/fallocate"
_BLOCK = 4096


def head(fd: int) -> int:
    """The offset of the oldest byte that is still there."""
    size = os.fstat(fd).st_size  # before the look for data: what is written after it is no hole
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole, or empty
            return size
        raise


def cut(size: int, first: int, limit: int) -> int:
    """How many leading bytes to drop: none within the limit, else enough to keep 3/4 of it.

    The quarter is what lets a busy session punch once in a while instead of at every event.
    """
    if size - first <= limit:
        return 0
    return (size - limit * 3 // 4) // _BLOCK * _BLOCK


def due(path: str, limit: int) -> int:
    """How many leading bytes of this file are to be dropped now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return cut(os.fstat(fd).st_size, head(fd), limit)
    finally:
        os.close(fd)


def punch(path: str, length: int) -> int:
    """Start dropping that many leading bytes; the pid of the process that does it."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return os.posix_spawn(
            FALLOCATE,
            [FALLOCATE, "--punch-hole", "--offset", "0", "--length", str(length), "--", path],
            {"PATH": "/usr/bin:/bin"},
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)],
        )
    finally:
        os.close(null)
