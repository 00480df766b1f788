"""What every live session uses now, and the machine: one sample of what changes all the time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from typing import Any

from ..host import processes, usage
from . import footprint
from .session import Session


async def sample(sessions: Iterable[Session]) -> dict[str, Any]:
    """Cumulative counters and the time `at` which they were read, on the monotonic clock.

    Not on the event loop: reading what the kernel counts of 100 sessions takes longer than anybody
    else should wait.
    """
    return await asyncio.to_thread(_sample, list(sessions))


def _sample(sessions: list[Session]) -> dict[str, Any]:
    rows = [_row(session) for session in sessions]
    available, total = usage.memory_available()
    return {
        "at": time.monotonic(),
        "sessions": [row for row in rows if row is not None],
        "machine": {
            "cpus": os.cpu_count(),
            "cpu_seconds": usage.cpu_seconds(),
            "memory_total_bytes": total,
            "memory_available_bytes": available,
            "pressure": _pressure(
                *(usage.pressure(f"/proc/pressure/{name}") for name in ("memory", "cpu", "io"))
            ),
        },
    }


def _row(session: Session) -> dict[str, Any] | None:
    cgroup = session.cgroup
    counted = usage.Usage() if cgroup is None else usage.of_cgroup(cgroup)
    counts = {"memory": counted.memory, "tasks": counted.tasks, "cpu": counted.cpu_seconds}
    by_process = [name for name, value in counts.items() if value is None]
    pids = footprint.pids(session) if by_process else []
    threads, cpu = processes.threads_and_cpu(pids)
    if not session.live:
        return None  # it has ended meanwhile: this is another thread than the one that sees that
    spec = session.spec
    return {
        "id": spec.id,
        "name": spec.name,
        "state": session.state.value,
        "state_since": session.state_since,
        "kind": spec.kind.value,
        "placement": spec.placement.value,
        "created_at": spec.created_at,
        "memory_bytes": (
            processes.resident_bytes(pids) if counted.memory is None else counted.memory
        ),
        "memory_max_bytes": counted.memory_max,
        "swap_bytes": counted.swap,
        "tasks": threads if counted.tasks is None else counted.tasks,
        "cpu_seconds": cpu if counted.cpu_seconds is None else counted.cpu_seconds,
        "pressure": _pressure(counted.memory_pressure, counted.cpu_pressure, counted.io_pressure),
        "counted_by_process": by_process,
    }


def _pressure(
    memory: usage.Pressure | None, cpu: usage.Pressure | None, io: usage.Pressure | None
) -> dict[str, float | None]:
    return {
        "memory_some": None if memory is None else memory.some,
        "memory_full": None if memory is None else memory.full,
        "cpu_some": None if cpu is None else cpu.some,
        "io_some": None if io is None else io.some,
    }
