"""The kinds of value a limit can have, written as systemd.resource-control(5) has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from .quantities import format_duration, format_size, parse_duration, parse_size
from .setting_kinds import Raw, Refused, ValueKind, shown

_PERCENT = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,2})?)\s*%")
INFINITY = "infinity"


@dataclass(frozen=True)
class Percent:
    """A part of all that the machine has."""

    value: float

    def of(self, whole: int) -> int:
        return int(whole * self.value / 100)

    def __str__(self) -> str:
        return f"{self.value:.2f}".rstrip("0").rstrip(".") + "%"


# A number (of bytes, of tasks), a part of what the machine has, or None: no limit.
Amount: TypeAlias = "int | Percent | None"


def _text(raw: Raw) -> str:
    if not isinstance(raw, str):
        raise Refused(shown(raw))
    return raw.strip()


def _percent(text: str, lowest: float, highest: float) -> float | None:
    match = _PERCENT.fullmatch(text)
    if match is None:
        return None
    value = float(match[1])
    if not lowest <= value <= highest:
        raise Refused(shown(text))
    return value


@dataclass(frozen=True)
class MemoryBound(ValueKind[Amount]):
    """Bytes, or a part of the machine's physical memory."""

    lowest: str

    @property
    def allowed(self) -> str:
        return f"a size from {self.lowest} such as 2G, a part of all memory such as 50%, infinity"

    def parse(self, raw: Raw) -> Amount:
        text = _text(raw)
        if text == INFINITY:
            return None
        share = _percent(text, 0, 100)
        if share is not None:
            if share == 0 and parse_size(self.lowest):
                raise Refused(shown(text))
            return Percent(share)
        try:
            size = parse_size(text)
        except ValueError:
            raise Refused(shown(raw)) from None
        if not parse_size(self.lowest) <= size <= parse_size("1024T"):
            raise Refused(shown(raw))
        return size

    def write(self, value: Amount) -> Raw:
        return format_size(value) if isinstance(value, int) else str(value or INFINITY)


@dataclass(frozen=True)
class TaskBound(ValueKind[Amount]):
    """Processes and threads, or a part of what the kernel allows the machine."""

    lowest: int

    @property
    def allowed(self) -> str:
        return f"a number from {self.lowest}, a part of all the kernel allows such as 20%, infinity"

    def parse(self, raw: Raw) -> Amount:
        text = _text(raw)
        if text == INFINITY:
            return None
        share = _percent(text, 1, 100)
        if share is not None:
            return Percent(share)
        if not re.fullmatch(r"[1-9][0-9]{0,6}", text) or int(text) < self.lowest:
            raise Refused(shown(raw))
        return int(text)

    def write(self, value: Amount) -> Raw:
        return str(value or INFINITY)


class CpuWeight(ValueKind[int]):
    """The share of busy CPUs, among neighbours; 0 stands for `idle`: what nobody else wants."""

    allowed = "a number from 1 to 10000 (100 is usual), or idle"

    def parse(self, raw: Raw) -> int:
        text = _text(raw)
        if text == "idle":
            return 0
        if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 10_000:
            raise Refused(shown(raw))
        return int(text)

    def write(self, value: int) -> Raw:
        return str(value or "idle")


class CpuQuota(ValueKind["Percent | None"]):
    """CPU time for each second, 100% being one CPU; None: as much as there is."""

    allowed = "a percentage from 1% on, 100% being one CPU, or infinity"

    def parse(self, raw: Raw) -> Percent | None:
        text = _text(raw)
        if text == INFINITY:
            return None
        share = _percent(text, 1, 1_000_000)
        if share is None:
            raise Refused(shown(raw))
        return Percent(share)

    def write(self, value: Percent | None) -> Raw:
        return str(value or INFINITY)


@dataclass(frozen=True)
class TimeBound(ValueKind["float | None"]):
    """Seconds; None: no limit."""

    lowest: str
    highest: str

    @property
    def allowed(self) -> str:
        return f"a duration from {self.lowest} to {self.highest} such as 2h or 1d, or infinity"

    def parse(self, raw: Raw) -> float | None:
        text = _text(raw)
        if text == INFINITY:
            return None
        try:
            seconds = parse_duration(text)
        except ValueError:
            raise Refused(shown(raw)) from None
        if not parse_duration(self.lowest) <= seconds <= parse_duration(self.highest):
            raise Refused(shown(raw))
        return seconds

    def write(self, value: float | None) -> Raw:
        return INFINITY if value is None else format_duration(value)
