"""The files of locks that killed keepers have left in Claude's directory."""

from __future__ import annotations

import fcntl
import json
import os

from . import processes


def sweep(directory: str) -> int:
    """Remove those that nobody holds, and whose holder is gone; how many there were."""
    removed = 0
    try:
        names = os.listdir(directory)
    except OSError:
        return 0
    for name in names:
        if name.endswith(".lock") and _is_left(os.path.join(directory, name)):
            removed += 1
    return removed


def _is_left(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Before it is tried: who takes it at this moment has noted itself, or is about to.
        noted = json.loads(os.read(fd, 4096))
        identity = processes.identify(int(noted["pid"]))
        if identity is not None and identity.start_time == int(noted["start_time"]):
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.lstat(path), os.fstat(fd)):
            return False  # another one has its name by now
        # Keepers look whether the file that they have locked still has its name.
        os.unlink(path)
        return True
    except (OSError, ValueError, LookupError, TypeError):
        return False
    finally:
        os.close(fd)
