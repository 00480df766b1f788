"""Small JSON files that are whole or not there, whatever is killed and whenever."""

from __future__ import annotations

import json
import os


def write(directory: str, name: str, content: dict[str, object], durable: bool = True) -> None:
    """Write a file of that directory; a durable one is on disk (data and name) on return."""
    path = os.path.join(directory, name)
    # A name of its own: two requests may be noting the same thing at the same time.
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        data = memoryview((json.dumps(content) + "\n").encode())
        while data:
            data = data[os.write(fd, data) :]
        if durable:
            os.fsync(fd)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    if not durable:
        return
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Put the directory's names on disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def identity() -> dict[str, object]:
    """This process: pid, start time in clock ticks after boot, boot id."""
    return {"pid": os.getpid(), "start_time": start_time(os.getpid()), "boot_id": boot_id()}


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and parentheses."""
    return int(_stat(pid)[19])


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits to be reaped; a pid without one counts too."""
    try:
        return _stat(pid)[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True


def run_state(pid: int) -> str:
    """Field 3 of /proc/PID/stat: R, S, D, T and others."""
    return _stat(pid)[0].decode("ascii", "replace")


def _stat(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()


def boot_id() -> str:
    """The kernel's id of this boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
