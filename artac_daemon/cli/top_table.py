"""The table of `top` out of its samples: pure, so that what is shown needs no terminal to test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..model.amounts import size
from .escapes import harmless
from .rendering import age, cut, width

Row = Mapping[str, Any]

# What asks for somebody comes first.
_STATES = (
    "needs-permission", "unresponsive", "working", "starting", "stopping", "running", "idle",
)  # fmt: skip
_PRESSURES = ("memory_some", "cpu_some", "io_some")
_LONGEST_NAME = 40
# Columns of that rank on need a terminal of that width: below, the name has more use for the room.
_EXTRA, _WIDE = 10, 100


class Column(NamedTuple):
    """`needed` is its rank when not all fit: the greatest go first. The name takes what is left."""

    head: str
    width: int
    right: bool
    needed: int
    cell: Callable[[Row, float], str]


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


COLUMNS = (
    Column("ID", 6, False, 2, lambda row, now: harmless(row["id"])),
    Column("NAME", 8, False, -2, lambda row, now: harmless(row["name"])),
    Column("STATE", 16, False, 1, lambda row, now: harmless(row["state"])),
    Column("MEM", 5, True, -1, lambda row, now: size(row["memory_bytes"])),
    Column("MAX", 5, True, 10, lambda row, now: size(row["memory_max_bytes"])),
    Column("SWAP", 5, True, 11, lambda row, now: size(row["swap_bytes"])),
    Column("CPU%", 5, True, 0, lambda row, now: _percent(row["cpu_percent"])),
    Column("TASKS", 5, True, 3, lambda row, now: str(row["tasks"])),
    Column("PMEM", 4, True, 4, lambda row, now: _percent(row["pressure"]["memory_some"])),
    Column("PCPU", 4, True, 6, lambda row, now: _percent(row["pressure"]["cpu_some"])),
    Column("PIO", 4, True, 7, lambda row, now: _percent(row["pressure"]["io_some"])),
    Column("AGE", 4, True, 5, lambda row, now: age(now - row["created_at"])),
    Column("MODE", 8, False, 13, lambda row, now: harmless(row["kind"])),
    Column("PLACEMENT", 9, False, 12, lambda row, now: harmless(row["placement"])),
)

# Each key of --sort: the key to press, and what it orders by. Missing values come last in any case.
SORTS: Mapping[str, tuple[str, Callable[[Row], Any], bool]] = {
    "memory": ("m", lambda row: row["memory_bytes"], True),
    "cpu": ("c", lambda row: row["cpu_percent"], True),
    "tasks": ("t", lambda row: row["tasks"], True),
    "pressure": ("p", lambda row: _pressures(row), True),
    "age": ("a", lambda row: row["created_at"], False),
    "name": ("n", lambda row: row["name"], False),
    "state": ("s", lambda row: _rank(row["state"]), False),
}


def _pressures(row: Row) -> tuple[float, ...] | None:
    values = [row["pressure"][name] for name in _PRESSURES]
    return None if None in values else tuple(values)


def _rank(state: str) -> tuple[int, str]:
    return (_STATES.index(state) if state in _STATES else len(_STATES), state)


def with_percents(sample: dict[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The sample with `cpu_percent` everywhere: of one CPU for a session, of all for the machine.

    None where there is no earlier sample to compare with.
    """
    known = {row["id"]: row for row in before["sessions"]} if before else {}
    seconds = sample["at"] - before["at"] if before else 0.0

    def percent(now: Mapping[str, Any], then: Mapping[str, Any] | None) -> float | None:
        if then is None or seconds <= 0:
            return None
        # Less than before: the processes that had worked are no longer among those counted.
        worked: float = now["cpu_seconds"] - then["cpu_seconds"]
        return max(0.0, worked) / seconds * 100

    machine = sample["machine"]
    whole = percent(machine, before["machine"] if before else None)
    cpus = machine["cpus"] or 1
    return {
        **sample,
        "sessions": [
            {**row, "cpu_percent": percent(row, known.get(row["id"]))} for row in sample["sessions"]
        ],
        "machine": {**machine, "cpu_percent": None if whole is None else min(100.0, whole / cpus)},
    }


def ordered(rows: Sequence[Row], key: str, reverse: bool) -> list[Row]:
    """The rows by a key of SORTS: the greatest, oldest, or first by name or urgency first."""
    _, value, descending = SORTS[key]
    named = sorted(rows, key=lambda row: (row["name"], row["id"]))
    known = [row for row in named if value(row) is not None]
    known.sort(key=value, reverse=descending is not reverse)
    return known + [row for row in named if value(row) is None]


def header(sample: Mapping[str, Any], columns: int | None) -> list[str]:
    """Three lines on the sessions and the machine."""
    rows, machine = sample["sessions"], sample["machine"]
    states = sorted({row["state"] for row in rows}, key=_rank)
    counts = [f"{sum(row['state'] == state for row in rows)} {state}" for state in states]
    total, available = machine["memory_total_bytes"], machine["memory_available_bytes"]
    cpu, pressure = machine["cpu_percent"], machine["pressure"]
    shown = {name: _percent(value) for name, value in pressure.items()}
    lines = [
        f"sessions  {len(rows)}" + (f": {', '.join(counts)}" if counts else ""),
        f"machine   CPU {_percent(cpu)}% of {machine['cpus']}, memory {size(total - available)}"
        f" used, {size(available)} of {size(total)} available",
        f"pressure  memory {shown['memory_some']} (all {shown['memory_full']}),"
        f" CPU {shown['cpu_some']}, IO {shown['io_some']} (% of the last 10 s)",
    ]
    return [line if columns is None else cut(harmless(line), columns) for line in lines]


class Layout(NamedTuple):
    """The columns that fit, with their widths."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]

    def head(self) -> str:
        return " ".join(self._cells([column.head for column in self.columns]))

    def line(self, row: Row, now: float) -> tuple[str, str, str]:
        """What stands before the state, the state, and the rest: the state may have a colour."""
        cells = self._cells([column.cell(row, now) for column in self.columns])
        heads = [column.head for column in self.columns]
        if "STATE" not in heads:
            return " ".join(cells), "", ""
        at = heads.index("STATE")
        return "".join(f"{cell} " for cell in cells[:at]), cells[at], _rest(cells[at + 1 :])

    def _cells(self, cells: Sequence[str]) -> list[str]:
        padded = []
        for column, wide, cell in zip(self.columns, self.widths, cells, strict=True):
            shown = cut(cell, wide)
            gap = " " * (wide - width(shown))
            padded.append(gap + shown if column.right else shown + gap)
        return padded


def _rest(cells: Sequence[str]) -> str:
    return "".join(f" {cell}" for cell in cells)


def layout(rows: Sequence[Row], columns: int | None) -> Layout:
    """What fits in so many columns; without a bound everything, names uncut."""
    longest = max((width(harmless(row["name"])) for row in rows), default=0)
    if columns is None:
        widths = [column.width for column in COLUMNS]
        widths[1] = max(widths[1], longest)
        return Layout(COLUMNS, tuple(widths))
    kept = [column for column in COLUMNS if column.needed < _EXTRA or columns >= _WIDE]
    # At least one column stays, however narrow the terminal.
    while len(kept) > 1 and sum(column.width + 1 for column in kept) - 1 > columns:
        kept.remove(max(kept, key=lambda column: column.needed))
    room = columns - (sum(column.width + 1 for column in kept) - 1)
    name = min(_LONGEST_NAME, max(8, longest))
    return Layout(
        tuple(kept),
        tuple(
            max(1, min(name, column.width + room)) if column.head == "NAME" else column.width
            for column in kept
        ),
    )
