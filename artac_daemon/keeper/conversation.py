"""One writer for each conversation: a lock in Claude's own directory, held while a keeper lives.

It is there and not in artac's state, because whoever shares that directory shares what was said:
another backend of this account, and another account. The kernel lets go of it with the keeper,
however that ends; the descriptor is not inherited by what the keeper starts.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat

_LONGEST = 4096
# Each time round somebody else has just let go of it.
_TRIES = 100


class InUse(Exception):
    """Somebody has the conversation; the text says who, as far as their note tells."""


class Lock:
    """A conversation that is held."""

    def __init__(self, directory: int, name: str, fd: int) -> None:
        self._directory, self._name, self._fd = directory, name, fd

    def release(self) -> None:
        """Let go of it, and leave no file behind."""
        try:
            # While it is still locked: nobody else's file can have this name.
            os.unlink(self._name, dir_fd=self._directory)
        except OSError:
            pass  # somebody has removed it by hand
        os.close(self._fd)
        os.close(self._directory)


def take(path: str, holder: dict[str, object]) -> Lock:
    """Hold the conversation whose lock is that file, noting who does; InUse, or OSError."""
    above, name = os.path.split(path)
    directory = _open_directory(above)
    try:
        # Who may make files there has to be able to see who holds which.
        mode = 0o600 | (0o040 if os.fstat(directory).st_mode & stat.S_IWGRP else 0)
        for _ in range(_TRIES):
            fd = _open(directory, name, mode)
            try:
                if _is_ours(fd, directory, name):
                    _note(fd, holder)
                    return Lock(directory, name, fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise InUse("others take it and let go of it all the time")
    except BaseException:
        os.close(directory)
        raise


def _open_directory(path: str) -> int:
    """Claude's own directory may not be there yet; ours in it has the access that it gives."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.path.dirname(path)
    if not os.path.isdir(path):
        os.makedirs(parent, 0o700, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, stat.S_IMODE(os.stat(parent).st_mode) & ~0o007)
        except FileExistsError:
            pass
    return os.open(path, flags)


def _open(directory: int, name: str, mode: int) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, mode, dir_fd=directory)
        os.fchmod(fd, mode)
        return fd
    except FileExistsError:
        pass
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT | flags, mode, dir_fd=directory)
    except PermissionError:
        # Another account's: reading is enough to lock it, and to see who holds it.
        return os.open(name, os.O_RDONLY | flags, dir_fd=directory)


def _is_ours(fd: int, directory: int, name: str) -> bool:
    """Whether it is locked now under its name; False: it was just removed. InUse."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(22, "its lock is not a regular file")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(_holder(fd)) from None
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _note(fd: int, holder: dict[str, object]) -> None:
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
    except OSError:
        pass  # a full disk, or another account's file: it is held all the same


def _holder(fd: int) -> str:
    try:
        noted = json.loads(os.pread(fd, _LONGEST, 0))
        session, state, pid = str(noted["session"]), str(noted["state"]), int(noted["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return "by another session, which did not note its name"
    return f"by session {session} of the artac in {state} (keeper pid {pid})"
