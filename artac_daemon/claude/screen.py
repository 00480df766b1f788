"""What on Claude Code's screen is no part of the conversation, by its looks.

Measured on 2.1.197, which draws in the main screen, and on 2.1.330, which takes the alternate one.
"""

from __future__ import annotations

import re

# A sign that turns, a word of what it does, how long it has: "✻ Mustering… (3s · ↑ 12 tokens)".
_SPINNER = re.compile(r"[^\w\s] \w[\w' -]{0,40}…(?: *\(.*)?$")
# It stands before what is said of the version, the model and the directory.
_SIGN = re.compile(r"^[ \u2580-\u259f]{6,11}(?=[^\s\u2580-\u259f])")
_TIP = re.compile(r"⎿\s+Tip: ")
_RULE = re.compile(r"─{8}")
# What an input box's first line begins with: for prompts, for commands, for memories.
_PROMPT = re.compile(r"[❯>!#&]")
_TALLEST_BOX = 40


def key_of(row: str) -> str:
    """What a row says, by which it is known again: without Claude's sign, which turns."""
    return _SIGN.sub("", row).strip()


def is_passing(text: str) -> bool:
    """Whether a line, without blanks around it, only says that Claude is at work."""
    return bool(_SPINNER.match(text) or _TIP.match(text))


def input_box(rows: list[str]) -> int:
    """The first row of the input box; the number of rows where there is none.

    All from there on is redrawn in place: the box, and hints, the menu of commands and the status
    below it.
    """
    end = len(rows)
    below = None
    for y in range(end - 1, -1, -1):
        if not _RULE.match(rows[y]):
            continue
        if below is not None and below - y <= _TALLEST_BOX and _PROMPT.match(rows[y + 1]):
            return y
        below = y
    return end
