"""`program.py screen|echo|history|flood BYTES|events`: what is measured in the place of Claude.

Run by its path, by an interpreter without site: it may not import anything of the project.
"""

from __future__ import annotations

import os
import sys
import time
import tty

TOP = "first row of the screen"
BOTTOM = "last row of the screen"
FLOODED = "all was written in"

_HISTORY = 2000
_LINE = (b"the quick brown fox jumps over the lazy dog " * 2)[:80] + b"\r\n"


def _screen() -> str:
    """A full screen as Claude Code draws it: alternate, coloured, with rules and a prompt."""
    columns, rows = os.get_terminal_size(1)
    grey, orange, plain = "\x1b[38;2;153;153;153m", "\x1b[38;2;215;119;87m", "\x1b[39m"
    rule = f"{grey}{'─' * columns}{plain}"
    lines = [f"\x1b[1m{TOP}\x1b[22m"]
    for number in range(2, rows - 3):
        text = f"it has read file number {number} and changed {number * 7} lines of it "
        lines.append(f"{orange}●{plain} {(text * 4)[: columns - 12]} {grey}({number}s){plain}")
    lines += [rule, "❯\xa0\x1b[7m \x1b[27m", rule, f"{grey}{BOTTOM}{plain}"]
    placed = "".join(f"\x1b[{row};1H{line}" for row, line in enumerate(lines, 1))
    return f"\x1b[?2004h\x1b[?1004h\x1b[?1049h\x1b[2J\x1b[?25l{placed}\x1b[{rows - 2};3H\x1b[?25h"


def _history() -> str:
    """So many coloured lines, which scroll off, then the screen."""
    columns, _ = os.get_terminal_size(1)
    text = "a line that a session has said at some time, long enough to fill its row. " * 4
    return "".join(
        f"\x1b[38;2;215;119;87m{number:5}\x1b[39m \x1b[1m{text[: columns // 2]}\x1b[22m\r\n"
        for number in range(_HISTORY)
    )


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def _flood(size: int) -> None:
    """At a key, that many bytes of lines; then how long writing them took."""
    _write(b"ready\r\n")
    block = _LINE * 200
    while os.read(0, 1):
        began = time.perf_counter()
        for _ in range(size // len(block)):
            _write(block)
        _write(f"{FLOODED} {time.perf_counter() - began:.6f} s\r\n".encode())


def _events() -> None:
    """At each line, one as long as an event is, which begins with when it was written."""
    rest = b"x" * 600
    while os.read(0, 1024):
        _write(b'{"%d":"%s"}\n' % (time.monotonic_ns(), rest))


def main() -> None:
    what = sys.argv[1]
    if what == "events":
        _events()
        return
    tty.setraw(0)
    if what == "flood":
        _flood(int(sys.argv[2]))
        return
    if what == "history":
        _write(_history().encode())
    if what == "echo":
        _write(b"ready\r\n")
    else:
        _write(_screen().encode())
    while typed := os.read(0, 1024):
        if what == "echo":
            _write(typed)


if __name__ == "__main__":
    main()
