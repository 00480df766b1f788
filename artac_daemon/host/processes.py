"""Processes: who one is beyond doubt, its end, and what it uses."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import time
from collections.abc import Callable

from ..keeper import record
from ..model.session import Identity

_LONGEST_ENVIRONMENT = 1024 * 1024


@functools.cache
def boot_id() -> str:
    """The kernel's id of this boot."""
    return record.boot_id()


def identify(pid: int) -> Identity | None:
    """The identity of a process; None when there is none of that pid, or it is a zombie."""
    try:
        if record.is_zombie(pid):
            return None
        return Identity(pid, record.start_time(pid), boot_id())
    except (OSError, IndexError, ValueError):
        return None


def is_alive(identity: Identity) -> bool:
    """Whether that very process lives: the pid alone may be another's by now."""
    return identify(identity.pid) == identity


def environment(pid: int) -> dict[str, str]:
    """What a process was started with; {} when it is gone or another's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read(_LONGEST_ENVIRONMENT).split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(word).partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals}


_RUN_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for the kernel",
    "T": "stopped by a signal (SIGCONT lets it go on)",
    "t": "stopped by a debugger",
}


def run_state(identity: Identity) -> str:
    """What that very process is doing, as the kernel has it; "gone" when it has ended."""
    if not is_alive(identity):
        return "gone"
    try:
        letter = record.run_state(identity.pid)
    except (OSError, IndexError):
        return "gone"
    return _RUN_STATES.get(letter, f"in state {letter}")


def booted_at() -> float:
    """When this machine was started, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class ExitWatch:
    """Calls back once when a process has ended, by pidfd; soon for one that is gone already."""

    def __init__(self, pid: int, callback: Callable[[], None]) -> None:
        self._fd = -1
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            asyncio.get_running_loop().call_soon(callback)
            return
        self._callback = callback
        asyncio.get_running_loop().add_reader(self._fd, self._on_exit)

    def cancel(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_exit(self) -> None:
        self.cancel()
        self._callback()


def raise_open_files() -> int:
    """Raise this process's soft limit of open files to the hard one; what it was before.

    A backend has three descriptors for each session and one for each client; systemd's default
    soft limit of 1024 is for programs that use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def resident_bytes(pids: list[int]) -> int:
    """Memory of those processes by RSS, pages shared among them counted for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for pid in pids:
        try:
            # Not open(): a list of sessions reads hundreds of these.
            fd = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
            try:
                total += int(os.read(fd, 256).split()[1]) * page
            finally:
                os.close(fd)
        except (OSError, IndexError):
            continue
    return total


def threads_and_cpu(pids: list[int]) -> tuple[int, float]:
    """Their threads, and the CPU seconds of them and of all children they have waited for."""
    threads, ticks = 0, 0
    for pid in pids:
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
            try:
                # The name before it may hold anything, a parenthesis too.
                fields = os.read(fd, 4096).rpartition(b")")[2].split()
            finally:
                os.close(fd)
            ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
            threads += int(fields[17])
        except (OSError, IndexError):
            continue
    return threads, ticks / os.sysconf("SC_CLK_TCK")


def tree(pids: list[int]) -> list[dict[str, object]]:
    """What each of those processes is and uses, those that end meanwhile left out."""
    import psutil  # only `status` asks for it

    rows: list[dict[str, object]] = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                rows.append(
                    {
                        "pid": pid,
                        "parent": process.ppid(),
                        "name": process.name(),
                        "status": process.status(),
                        "memory_bytes": process.memory_info().rss,
                        "cpu_seconds": round(times.user + times.system, 2),
                        "started_at": process.create_time(),
                    }
                )
        except psutil.Error:
            continue
    return rows
