"""Putting limits into effect: files of a delegated cgroup, or properties of a unit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind
from ..model.limit_kinds import Amount, Percent
from ..model.limits import CONTROLLERS, Capacity, Limits, cgroup_files, unit_properties
from . import cgroups, scopes

# A backend that cannot answer is of no help against a session that takes all the CPUs.
_DAEMON_CPU_WEIGHT = "1000"


def capacity() -> Capacity:
    """What percentages are of; tasks as systemd counts them (the smaller of the two sysctls)."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    kernel = Path("/proc/sys/kernel")
    tasks = min(int((kernel / name).read_text()) for name in ("pid_max", "threads-max"))
    return Capacity(pages * size, tasks)


def controllers(directory: Path, file: str = "cgroup.controllers") -> frozenset[str]:
    """The controllers in one of a cgroup's lists: those it has, or gives to its children."""
    try:
        return frozenset((directory / file).read_text().split()) & frozenset(CONTROLLERS)
    except OSError:
        return frozenset()


def enable(service: cgroups.ServiceCgroup) -> frozenset[str]:
    """Hand the controllers that the service has down to each session's cgroup; those in effect.

    One that the kernel refuses is missing in the answer, as one that was never there: EBUSY while a
    process is in the service's own cgroup, such as one that somebody put there by hand.
    """
    for directory in (service.directory, service.sessions):
        for controller in controllers(directory):
            with suppress(OSError):
                # One at a time: the kernel takes all of a line or nothing.
                _write(directory / "cgroup.subtree_control", f"+{controller}")
    own = service.directory / "daemon" / "cpu.weight"
    if own.exists():
        with suppress(OSError):  # it is only the better for it
            _write(own, _DAEMON_CPU_WEIGHT)
    return controllers(service.sessions, "cgroup.subtree_control")


def bound(directory: Path, limits: Limits) -> None:
    """Limit a cgroup of ours; ArtacError(FAILED) where the kernel refuses a value.

    What the cgroup has no controller for is passed over: `controllers` tells.
    """
    for name, text in cgroup_files(limits, capacity()).items():
        file = directory / name
        # cpu.idle came with Linux 5.15; the rest is there when its controller is.
        if not file.exists() or (name == "cpu.weight" and _content(file) == text):
            continue
        try:
            _write(file, text)
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED, f"the kernel refused {name}={text}: {error.strerror}"
            ) from None


def bytes_of(amount: Amount) -> int | None:
    """A bound of memory in bytes; None for no bound."""
    return amount.of(capacity().memory) if isinstance(amount, Percent) else amount


def properties(limits: Limits) -> list[str]:
    """Limits as properties of a unit."""
    return unit_properties(limits, capacity())


async def bound_unit(unit: str, limits: Limits) -> None:
    """Limit a unit of the user manager until it is gone; ArtacError(FAILED) if systemd refuses."""
    await scopes.set_properties(unit, properties(limits))


async def manager_controllers() -> frozenset[str]:
    """The controllers that scopes of the user manager can have."""
    group = await scopes.manager_cgroup()
    return controllers(cgroups.absolute(group)) if group else frozenset()


def _content(file: Path) -> str:
    return file.read_text().strip()


def _write(file: Path, text: str) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
