"""Amounts rounded for a person; `quantities` has the exact forms."""

from __future__ import annotations


def size(count: int | None) -> str:
    """Bytes with base 1024, two or three digits: 512B, 1.5K, 213M; - when not known."""
    if count is None:
        return "-"
    amount = float(count)
    for unit in "BKMGT":
        if amount < 999.5 or unit == "T":
            break
        amount /= 1024
    return f"{amount:.1f}{unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f}{unit}"
