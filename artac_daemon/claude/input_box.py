"""The box in which Claude Code takes a message on a terminal, as it is on the screen.

Between two rules; the text begins after `❯` and a no-break space, its further rows are indented. A
dialog has neither: its marks are followed by a plain blank, and there is no rule below its cursor.
Measured with the CLI 2.1.330 and 2.1.197; on a screen that looks otherwise there is no box.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MARKS = ("❯\xa0", "!\xa0")
_RULE, _INDENT = "──", "  "
_ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_FAINT = 2
# What a long paste is shown as.
_COLLAPSED = re.compile(r"\[Pasted text #\d+( \+\d+ lines?)?\]")
# How the model gets one, from 2.1.330.
_TAGGED = re.compile(r"\s*<pasted_content [^>\n]*>\n?")


@dataclass(frozen=True)
class InputBox:
    """`whole` is false where the beginning of the text does not fit on the screen."""

    text: str
    empty: bool  # or only what Claude suggests
    whole: bool
    shell: bool  # what is typed will be run as a command
    cursor: tuple[int, int]  # row and column

    def shows(self, text: str) -> bool:
        """Whether that text, or as much of it as there is room for, and nothing else is in it."""
        if self.empty or self.shell:
            return False
        if self.whole and _COLLAPSED.fullmatch(self.text.strip()):
            return True
        shown, wanted = _letters(self.text), _letters(text)
        return shown == wanted if self.whole else bool(shown) and wanted.endswith(shown)


def find(screen: Mapping[str, Any]) -> InputBox | None:
    """The box with the cursor in it; None where there is none, as under a dialog."""
    rows: list[str] = screen["text"]
    row, column = screen["cursor"]
    if not 0 <= row < len(rows):
        return None
    first = row
    while first > 0 and _goes_on(rows[first]):
        first -= 1
    mark = rows[first][:2]
    whole = mark in _MARKS
    if not whole:
        if first > 0 and not rows[first].startswith(_RULE):
            return None
        first += rows[first].startswith(_RULE)
    elif first == 0 or not rows[first - 1].startswith(_RULE):
        return None
    last = max(row, first) + 1
    while last < len(rows) and _goes_on(rows[last]):
        last += 1
    if first > row or last == len(rows) or not rows[last].startswith(_RULE):
        return None
    text = "\n".join(line[2:] for line in rows[first:last])
    empty = whole and last == first + 1 and _is_empty(screen["ansi"][first])
    return InputBox(text, empty, whole, mark == _MARKS[1], (row, column))


def same(text: str, seen: str) -> bool:
    """Whether what Claude says that it was given is that text, as far as it says."""
    seen = _TAGGED.sub("", seen, count=1)
    if _COLLAPSED.match(seen):
        return True
    one, other = _letters(text), _letters(seen)
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _goes_on(row: str) -> bool:
    """Whether it may be a further row of the text; blanks at a row's end are not there."""
    return row.startswith(_INDENT) or not row.strip(" ")


def _is_empty(row: str) -> bool:
    """Claude's own suggestion is faint, but for the letter under the cursor it draws."""
    cells = _cells(row)[2:]
    typed = [at for at, (letter, faint) in enumerate(cells) if letter.strip() and not faint]
    return not typed or (typed == [0] and len(cells) > 1 and cells[1][1])


def _cells(row: str) -> list[tuple[str, bool]]:
    """Each character of a row, and whether it is faint."""
    found: list[tuple[str, bool]] = []
    faint, at = False, 0
    for escape in _ESCAPE.finditer(row):
        found += ((letter, faint) for letter in row[at : escape.start()])
        at = escape.end()
        if escape[1] is not None:
            faint = _faint_after(escape[1], faint)
    return found + [(letter, faint) for letter in row[at:]]


def _faint_after(parameters: str, faint: bool) -> bool:
    numbers = iter(parameters.split(";"))
    for number in numbers:
        if number in ("38", "48", "58"):  # a colour: its numbers mean something else
            for _ in range(3 if next(numbers, "") == "2" else 1):
                next(numbers, "")
        elif number in ("", "0", "22"):
            faint = False
        elif number == str(_FAINT):
            faint = True
    return faint


def _letters(text: str) -> str:
    """What is left of a text however it is wrapped, trimmed and cleaned of invisible things."""
    return "".join(filter(str.isalnum, text))
