"""Freezing a cgroup: nothing in it runs, forks or ends until it is thawed."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind


async def freeze(directory: Path, seconds: float) -> None:
    """Freeze a cgroup and wait until all in it stands still, at most that long.

    ArtacError(TIMEOUT) when it does not: a process may be waiting for a disk. It is up to the
    caller to thaw it in any case. OSError when there is no such cgroup.
    """
    (directory / "cgroup.freeze").write_text("1")
    events = os.open(directory / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    # The kernel tells a change of this file by EPOLLPRI, for which asyncio cannot ask itself.
    changes = select.epoll()
    changes.register(events, select.EPOLLPRI)
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(changes.fileno(), changed.set)
    try:
        async with asyncio.timeout(seconds):
            while b"frozen 1" not in os.pread(events, 4096, 0):
                await changed.wait()
                changed.clear()
    except TimeoutError:
        raise ArtacError(
            ErrorKind.TIMEOUT, f"its processes could not be frozen within {seconds:g} s"
        ) from None
    finally:
        loop.remove_reader(changes.fileno())
        changes.close()
        os.close(events)


def freeze_empty(directory: Path) -> None:
    """Make whatever enters that cgroup from now on stand still."""
    (directory / "cgroup.freeze").write_text("1")
