"""What the kernel says of a process of the same account."""

from __future__ import annotations


def pss(pid: int) -> int:
    """Bytes of memory that are its own, and its share of what it shares."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        row = next(line for line in file if line.startswith("Pss:"))
    return int(row.split()[1]) * 1024


def parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])
