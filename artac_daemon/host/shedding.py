"""Bringing a cgroup's use of memory below a bound that is about to come into effect.

A memory.max written below what is in use has the kernel kill until its counter is below the bound.
It counts what a killed process gives back only after it has looked for the next one (exit_mmap of
Linux 6.1 marks the victim as done before its pages are freed), so Claude, and the keeper that could
tell the end, follow a child whose memory alone was enough.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import cgroups

# How long one killed process may take to be gone (milliseconds).
_GONE = 10_000
# How long processes that start others again and again are followed (seconds).
_LONGEST = 10.0


@dataclass(frozen=True)
class Killed:
    """A process that was ended. `memory`: what it had for itself, in bytes."""

    pid: int
    name: str
    memory: int


def own_memory(pid: int) -> int:
    """What a process has for itself (anonymous memory, bytes); 0 for one that has gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def shed(directory: Path, bound: int, spared: frozenset[int]) -> list[Killed]:
    """Kill in that cgroup, the largest first and nobody of the spared, until it uses so little.

    What can be written back or dropped costs no process. OSError where the kernel refuses.
    """
    killed: list[Killed] = []
    deadline = time.monotonic() + _LONGEST
    with _reclaimed(directory, bound):
        while (cgroups.memory_bytes(directory) or 0) > bound and time.monotonic() < deadline:
            others = [pid for pid in cgroups.pids(directory) if pid not in spared]
            largest = max(others, key=own_memory, default=None)
            if largest is None:
                break
            if (one := _kill(directory, largest)) is not None:
                killed.append(one)
    return killed


@contextmanager
def _reclaimed(directory: Path, bound: int) -> Iterator[None]:
    high = directory / "memory.high"
    before = high.read_text()
    high.write_text(str(bound))
    try:
        yield
    finally:
        high.write_text(before)


def _kill(directory: Path, pid: int) -> Killed | None:
    """Kill that process, if it is still there, and wait until it has given its memory back."""
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            # The pid may have become another's before it was opened.
            if pid not in cgroups.pids(directory):
                return None
            one = Killed(pid, _name(pid), own_memory(pid))
            signal.pidfd_send_signal(process, signal.SIGKILL)
            poll = select.poll()
            poll.register(process, select.POLLIN)
            poll.poll(_GONE)
            return one
        finally:
            os.close(process)
    return None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"
