"""Sizes and durations, written the way systemd writes them."""

from __future__ import annotations

import re
from decimal import Decimal

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)")
_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_PLAIN_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)\s*")
_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_DURATION_NAMES = {
    "weeks": "w", "week": "w", "days": "d", "day": "d", "hours": "h", "hour": "h", "hr": "h",
    "minutes": "min", "minute": "min", "m": "min", "seconds": "s", "second": "s", "sec": "s",
    "msec": "ms", "usec": "us", "µs": "us",
}  # fmt: skip

# Longer texts are no quantity, and their numbers would not fit a float.
_LONGEST_TEXT = 64


def parse_size(text: str) -> int:
    """Return the bytes that `text` means: `256M`, `1.5G` or plain bytes; the base is 1024.

    Raises ValueError when it is no size or not a whole number of bytes.
    """
    text = text.strip()
    match = _SIZE.fullmatch(text)
    if match is None or len(text) > _LONGEST_TEXT:
        raise ValueError("not a size")
    size = Decimal(match[1]) * _SIZE_UNITS[match[2]]
    if size != int(size):
        raise ValueError("not a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """Write `size` bytes exactly, in the largest unit that divides it."""
    for unit in "TGMK":
        if size and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]}{unit}"
    return str(size)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` means: `10s`, `1h 30min`, `500ms` or plain seconds.

    The resolution is one microsecond. Raises ValueError when it is no duration.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST_TEXT:
        raise ValueError("not a duration")
    if _PLAIN_SECONDS.fullmatch(text):
        return int(Decimal(text) * _MICROSECONDS["s"]) / 1e6
    total = Decimal(0)
    position = 0
    while position < len(text):
        match = _SPAN.match(text, position)
        unit = _DURATION_NAMES.get(match[2], match[2]) if match else ""
        if match is None or unit not in _MICROSECONDS:
            raise ValueError("not a duration")
        total += Decimal(match[1]) * _MICROSECONDS[unit]
        position = match.end()
    return int(total) / 1e6


def format_duration(seconds: float) -> str:
    """Write `seconds`, rounded to a microsecond, such as `1h 30min`; zero is `0s`."""
    rest = round(seconds * 1e6)
    parts = []
    for unit, length in _MICROSECONDS.items():
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
