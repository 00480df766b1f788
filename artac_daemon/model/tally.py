"""What the kernel counted of a session in its life: evidence of how it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Tally:
    """Of the session's cgroup; None stands for what is not counted on that machine.

    `memory_high` to `memory_oom_kill` are those of memory.events, `memory_oom_kill` being
    processes that the kernel killed; `memory_stall_seconds` is how long at least one process
    waited for memory.
    """

    memory_high: int | None = None
    memory_max: int | None = None
    memory_oom: int | None = None
    memory_oom_kill: int | None = None
    memory_peak_bytes: int | None = None
    tasks_refused: int | None = None
    cpu_seconds: float | None = None
    memory_stall_seconds: float | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Tally:
        """What is there of it; ValueError or TypeError for values that are no counts."""
        if not isinstance(raw, Mapping):
            raise TypeError(f"a tally is {type(raw).__name__}, not an object")
        known = {field.name: raw.get(field.name) for field in fields(cls)}
        return cls(**{key: _count(key, value) for key, value in known.items()})  # type: ignore[arg-type]


def _count(key: str, value: Any) -> int | float | None:
    if value is None:
        return None
    if not key.endswith("_seconds"):
        return int(value)
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"{key} is {seconds}")
    return seconds
