"""Times, sizes, tables and colours as a person reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from ..model.amounts import size as size
from .escapes import harmless

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
_STATE_COLOURS = {
    "working": "green",
    "needs-permission": "yellow",
    "retrying": "yellow",
    "stopping": "yellow",
    "unresponsive": "red",
    "starting": "blue",
}
_NAME_WIDTH = 24


def colours() -> bool:
    """Whether standard output is a terminal that is to be coloured (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not plain


def painted(text: str, colour: str) -> str:
    """The text in a colour; "" is none."""
    return f"\x1b[{_SGR[colour]}m{text}\x1b[m" if colour else text


def age(seconds: float) -> str:
    """How long something has been, in its largest unit: 12s, 5m, 3h, 2d."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def state(session: Mapping[str, object]) -> str:
    """A session's state; for an ended one with its reason."""
    end = session.get("end")
    return f"ended:{end['reason']}" if isinstance(end, dict) else str(session.get("state"))


def ending(end: Mapping[str, object]) -> str:
    """How a session ended, in one line: its reason and the sentence that says it."""
    reason, sentence = str(end["reason"]), str(end["sentence"])
    return harmless(sentence if sentence.startswith(reason) else f"{reason}: {sentence}")


def state_colour(text: str) -> str:
    """The colour of a state as `state` writes it."""
    return "dim" if text.startswith("ended") else _STATE_COLOURS.get(text, "")


def path(text: str) -> str:
    """A path with the caller's home as ~."""
    home = os.environ.get("HOME", "").rstrip("/")
    if home and (text == home or text.startswith(home + "/")):
        text = "~" + text[len(home) :]
    return harmless(text)


def terminal_width() -> int | None:
    """The columns of the terminal that standard output is; None when it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def width(text: str) -> int:
    """How many columns a terminal needs for it."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def cut(text: str, columns: int, keep_end: bool = False) -> str:
    """The text in at most that many columns, "…" in place of what was left out."""
    if width(text) <= columns:
        return text
    kept = text
    while kept and width(kept) >= max(1, columns):
        kept = kept[1:] if keep_end else kept[:-1]
    return "…" + kept if keep_end else kept + "…"


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int | None,
    colour: Mapping[int, str] | None = None,
) -> list[str]:
    """Aligned lines, the last column cut from its left to fit in so many columns.

    `colour` gives the colour of STATE cells by row; the table's third column is theirs.
    """
    if columns is not None:
        rows = [[cut(cell, _NAME_WIDTH) for cell in row[:-1]] + [row[-1]] for row in rows]
    everything = [heads, *rows]
    widths = [max(map(width, column)) for column in zip(*everything, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    lines = []
    for number, row in enumerate(everything):
        cells = [cell + " " * (widths[at] - width(cell)) for at, cell in enumerate(row[:-1])]
        if colour and number and (paint := colour.get(number - 1, "")):
            cells[2] = painted(row[2], paint) + cells[2][len(row[2]) :]
        last = row[-1] if columns is None else cut(row[-1], max(8, columns - before), True)
        lines.append("  ".join((*cells, last)).rstrip())
    return lines


def fields(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a name and a value, the values aligned."""
    longest = max((len(name) for name, _ in rows), default=0)
    return [f"{name + ':':<{longest + 1}} {harmless(value)}" for name, value in rows]


def json_text(content: object) -> str:
    """JSON for a program, and laid out for a person where standard output is a terminal."""
    import json

    return json.dumps(content, indent=2 if sys.stdout.isatty() else None)
