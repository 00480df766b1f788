"""What a cgroup uses, as the kernel counts it in the cgroup's own files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pressure:
    """PSI (Linux, accounting/psi.rst): the share of the last 10 s that was lost waiting, percent.

    `some`: at least one process waited; `full`: all of them did.
    """

    some: float
    full: float


@dataclass(frozen=True)
class Usage:
    """None stands for what this machine does not count there (a controller that is not enabled)."""

    memory: int | None = None  # bytes, charged to the cgroup and all below it
    memory_peak: int | None = None
    memory_max: int | None = None  # its own limit, if it has one
    swap: int | None = None
    tasks: int | None = None  # processes and threads
    cpu_seconds: float | None = None
    memory_pressure: Pressure | None = None
    cpu_pressure: Pressure | None = None
    io_pressure: Pressure | None = None


def of_cgroup(directory: Path) -> Usage:
    """What a cgroup and all below it use; nothing but None for one that is gone."""
    where = os.fspath(directory)
    cpu = _rows(f"{where}/cpu.stat").get("usage_usec")
    return Usage(
        memory=_number(f"{where}/memory.current"),
        memory_peak=_number(f"{where}/memory.peak"),
        memory_max=_number(f"{where}/memory.max"),  # "max" is no number, and no limit
        swap=_number(f"{where}/memory.swap.current"),
        tasks=_number(f"{where}/pids.current"),
        # Counted without the cpu controller too.
        cpu_seconds=None if cpu is None else cpu / 1e6,
        memory_pressure=pressure(f"{where}/memory.pressure"),
        cpu_pressure=pressure(f"{where}/cpu.pressure"),
        io_pressure=pressure(f"{where}/io.pressure"),
    )


def pressure(path: str) -> Pressure | None:
    """The pressure in a file of a cgroup or of /proc/pressure; None on a kernel without PSI."""
    shares = {"some": 0.0, "full": 0.0}
    try:
        for line in _text(path).splitlines():
            kind, _, rest = line.partition(" avg10=")
            shares[kind] = float(rest.split()[0])
    except (OSError, ValueError, IndexError):
        return None  # EOPNOTSUPP where PSI is switched off (psi=0)
    return Pressure(shares["some"], shares["full"])


def cpu_seconds() -> float:
    """What the machine's CPUs have worked since its boot, all of them together."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(ticks) for ticks in _text("/proc/stat").split(maxsplit=8)[1:8]
    )
    # What follows is not added: stolen time nobody here has worked, a guest's is in the user's.
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def memory_available() -> tuple[int, int]:
    """The machine's memory that can be had without swapping, and all of it, in bytes."""
    rows = {}
    for line in _text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        rows[name] = int(rest.split()[0]) * 1024
    return rows["MemAvailable"], rows["MemTotal"]


def _rows(path: str) -> dict[str, int]:
    try:
        return {
            name: int(value)
            for name, _, value in (line.partition(" ") for line in _text(path).splitlines())
        }
    except (OSError, ValueError):
        return {}


def _number(path: str) -> int | None:
    try:
        return int(_text(path))
    except (OSError, ValueError):
        return None


def _text(path: str) -> str:
    # Not open(): a table of many sessions reads hundreds of these.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode("ascii", "replace")
    finally:
        os.close(fd)
