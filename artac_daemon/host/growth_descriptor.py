"""An inotify descriptor to give away: whoever gets it hears of growth, and needs no path for it.

A client of another account may not look into a session's directory, so it could not watch itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind

_IN_MODIFY = 0x2


def growth_descriptor(paths: Iterable[Path]) -> int:
    """A descriptor that can be read from once one of those files was written to; the caller's own.

    ArtacError(LIMIT) when the account may have no more of them; OSError for a missing file.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise _error(ctypes.get_errno(), "inotify_init1", "max_user_instances")
    for path in paths:
        if libc.inotify_add_watch(fd, os.fsencode(path), _IN_MODIFY) < 0:
            number = ctypes.get_errno()
            os.close(fd)
            raise _error(number, str(path), "max_user_watches")
    return fd


def _error(number: int, what: str, setting: str) -> Exception:
    if number in (errno.EMFILE, errno.ENOSPC):
        return ArtacError(
            ErrorKind.LIMIT,
            "this account can watch no more files for programs: "
            f"raise it with `sysctl fs.inotify.{setting}`",
        )
    return OSError(number, os.strerror(number), what)
