"""Whether the machine has room for one more session, decided from figures alone."""

from __future__ import annotations

from dataclasses import dataclass

from .amounts import size
from .settings import Settings


@dataclass(frozen=True)
class Readings:
    """The machine as it is: bytes; `memory_full` in percent, None on a kernel without PSI."""

    memory_available: int
    memory_total: int
    memory_full: float | None


def refusal(settings: Settings, running: int, readings: Readings) -> str | None:
    """Why no session may start beside `running` others, with the figures; None when one may."""
    if running >= settings.max_sessions:
        return f"{running} sessions are running, max_sessions allows {settings.max_sessions}"
    wanted = settings.min_memory_available
    least = wanted if isinstance(wanted, int) else wanted.of(readings.memory_total)
    if readings.memory_available < least:
        return (
            f"memory: {size(readings.memory_available)} of {size(readings.memory_total)} available,"
            f" min_memory_available asks for {size(least)}"
        )
    most = settings.max_memory_pressure
    if readings.memory_full is not None and readings.memory_full > most:
        return (
            f"memory pressure: {readings.memory_full:.3g}% of the last 10 s lost,"
            f" max_memory_pressure is {most:g}%"
        )
    return None
