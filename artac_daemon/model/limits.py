"""Limits: what a session, or all of them together, may use. One table, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from .errors import ArtacError, ErrorKind
from .limit_kinds import Amount, Percent
from .setting_kinds import Refused, ValueKind
from .settings import SETTINGS, Settings

# The kernel's accounting period of cpu.max in microseconds, as systemd sets it.
_PERIOD = 100_000


@dataclass(frozen=True)
class Limit:
    """One row. `controller` is "" where not the kernel but artac itself sees to it."""

    key: str  # also the setting that has the default, and the kind of its values
    controller: str
    unit_property: str  # systemd's name
    alias: str = ""

    @property
    def kind(self) -> ValueKind[Any]:
        return SETTINGS[self.key].kind


_ROWS = (
    Limit("memory_high", "memory", "MemoryHigh"),
    Limit("memory_max", "memory", "MemoryMax", "memory"),
    Limit("memory_swap_max", "memory", "MemorySwapMax", "swap"),
    Limit("tasks_max", "pids", "TasksMax", "tasks"),
    Limit("cpu_weight", "cpu", "CPUWeight"),
    Limit("cpu_quota", "cpu", "CPUQuota", "cpu"),
    Limit("runtime_max", "", "RuntimeMaxSec", "runtime"),
    Limit("idle_timeout", "", "", "idle"),
)

LIMITS: Final[Mapping[str, Limit]] = MappingProxyType({row.key: row for row in _ROWS})
CONTROLLERS: Final = ("memory", "pids", "cpu")


@dataclass(frozen=True)
class Limits:
    """A value for each row: bytes, tasks, seconds, percentages; None means no limit."""

    memory_high: Amount = None
    memory_max: Amount = None
    memory_swap_max: Amount = None
    tasks_max: Amount = None
    cpu_weight: int = 100
    cpu_quota: Percent | None = None
    runtime_max: float | None = None
    idle_timeout: float | None = None

    def to_json(self) -> dict[str, str]:
        """Each value as it is written."""
        return {key: str(row.kind.write(getattr(self, key))) for key, row in LIMITS.items()}


@dataclass(frozen=True)
class Granted:
    """The limits of one session, and which of them somebody asked for."""

    limits: Limits
    asked: frozenset[str] = frozenset()

    def with_changes(self, changes: Mapping[str, Any]) -> Granted:
        return Granted(replace(self.limits, **changes), self.asked | changes.keys())

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, "limits": self.limits.to_json(), "asked": sorted(self.asked)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Granted:
        """What a JSON object holds; ValueError, KeyError or TypeError for a damaged one."""
        texts = dict(raw["limits"])
        values = {key: row.kind.parse(texts[key]) for key, row in LIMITS.items() if key in texts}
        return cls(Limits(**values), frozenset(map(str, raw["asked"])) & LIMITS.keys())


@dataclass(frozen=True)
class Capacity:
    """What percentages are of."""

    memory: int  # bytes of physical memory
    tasks: int  # processes and threads that the kernel allows in all


def for_each(settings: Settings) -> Limits:
    """What every new session gets unless it is asked for otherwise."""
    return Limits(**{row.name: getattr(settings, row.name) for row in fields(Limits)})


def for_all(settings: Settings) -> Limits:
    """What all sessions together may use."""
    kernel = [row.key for row in LIMITS.values() if row.controller]
    return Limits(**{key: getattr(settings, f"total_{key}") for key in kernel})


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """The limits in such as {"memory": "3G"}; names are the table's, its aliases or systemd's.

    ArtacError(USAGE) for an unknown name or a value that is not allowed.
    """
    found: dict[str, Any] = {}
    for name, text in given.items():
        row = _row(name)
        try:
            value = row.kind.parse(text)
        except Refused as refused:
            raise ArtacError(
                ErrorKind.USAGE, f"limit {name}: found {refused}; allowed: {row.kind.allowed}"
            ) from None
        if row.key in found:
            raise ArtacError(ErrorKind.USAGE, f"limit {row.key} is given twice")
        found[row.key] = value
    return found


def _row(name: str) -> Limit:
    plain = name.lower().replace("-", "_")
    for row in LIMITS.values():
        if plain and plain in (row.key, row.alias, row.unit_property.lower()):
            return row
    known = ", ".join(row.alias or row.key for row in LIMITS.values())
    raise ArtacError(ErrorKind.USAGE, f"there is no limit {name!r}; there are: {known}")


def missing(keys: frozenset[str], present: frozenset[str]) -> dict[str, str]:
    """Of those limits, the ones that have no effect with those controllers, and what they lack."""
    return {
        key: LIMITS[key].controller
        for key in LIMITS
        if key in keys and LIMITS[key].controller and LIMITS[key].controller not in present
    }


def cgroup_files(limits: Limits, capacity: Capacity) -> dict[str, str]:
    """What to write into which file of a cgroup, in that order (Linux, cgroup-v2.rst)."""
    memory, tasks = capacity.memory, capacity.tasks
    quota = limits.cpu_quota
    files = {
        "memory.high": _number(limits.memory_high, memory),
        "memory.max": _number(limits.memory_max, memory),
        "memory.swap.max": _number(limits.memory_swap_max, memory),
        "pids.max": _number(limits.tasks_max, tasks),
        # An idle cgroup takes no weight, so it has to be told first that it is none.
        "cpu.idle": "0" if limits.cpu_weight else "1",
        "cpu.max": f"{round(quota.value * _PERIOD / 100) if quota else 'max'} {_PERIOD}",
    }
    if limits.cpu_weight:
        files["cpu.weight"] = str(limits.cpu_weight)
    return files


def unit_properties(limits: Limits, capacity: Capacity) -> list[str]:
    """The same for a unit, as `systemd-run --property=` and `systemctl set-property` take it."""
    texts = {
        "MemoryHigh": _number(limits.memory_high, capacity.memory),
        "MemoryMax": _number(limits.memory_max, capacity.memory),
        "MemorySwapMax": _number(limits.memory_swap_max, capacity.memory),
        "TasksMax": _number(limits.tasks_max, capacity.tasks),
        "CPUWeight": str(limits.cpu_weight or "idle"),
        "CPUQuota": str(limits.cpu_quota or ""),
    }
    return [f"{name}={'infinity' if text == 'max' else text}" for name, text in texts.items()]


def _number(amount: Amount, whole: int) -> str:
    if amount is None:
        return "max"
    return str(amount.of(whole) if isinstance(amount, Percent) else amount)
