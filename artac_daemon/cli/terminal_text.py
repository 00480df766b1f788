"""A terminal's output as the lines that a reader saw: each once, in order, whatever was redrawn.

The screen model draws the output. A line is told when it leaves the screen: by scrolling, which the
model sees, or by being redrawn away, which shows when pictures of the screen are compared. A
picture is taken when the cursor goes up and before anything clears or scrolls the whole: then the
last redraw is complete, as programs draw from the top to the bottom.
"""

from __future__ import annotations

import re
from collections import deque

from ..claude.screen import input_box, is_passing, key_of
from .frames import Line, advance, says_something
from .watched_screen import WatchedScreen

# Among so many lines it is looked for what comes back.
_REMEMBERED = 3000
_PASTE = 2004
# A flood of plain lines is looked for at every so many bytes; a short one is drawn as all else.
_STRETCH = 8192
_PLAIN = re.compile(rb"(?:[\t\x20-\x7e]*\r*\n)+")


class TerminalText:
    """Bytes in, cut anywhere, lines out; `coloured` lines have escape sequences of SGR and links.

    `alternate`: the output begins on the alternate screen.
    """

    def __init__(
        self, columns: int, rows: int, coloured: bool = False, alternate: bool = False
    ) -> None:
        self._coloured = coloured
        self._muted = self._gap = self._resized = False
        self._out: list[str] = []
        self._told: deque[str] = deque(maxlen=_REMEMBERED)
        self._screen = WatchedScreen(columns, rows, self)
        self._lines = self._blank()
        self._hidden = self._blank()  # of the screen that is not shown
        self._end = Line("", "")
        self._end.told = True
        self._seen: tuple[list[str], list[str]] = [], []
        if alternate:
            self._screen.feed(b"\x1b[?1049h")

    # What comes in

    def feed(self, data: bytes) -> list[str]:
        """The lines that are told by the next bytes."""
        at = 0
        while at < len(data):
            if self._screen.takes_lines() and (found := _PLAIN.match(data, at)):
                at = self._flood(found[0], at)
            stretch = data.find(b"\n", at + _STRETCH) + 1 or len(data)
            self._screen.feed(data[at:stretch])
            at = stretch
        return self._taken()

    def resize(self, columns: int, rows: int) -> list[str]:
        """The terminal is of another size from here on."""
        self.look()
        self._screen.resize(columns, rows)
        for lines in (self._lines, self._hidden):
            lines += [Line("", "") for _ in range(rows - len(lines))]
            for gone in lines[rows:]:
                self._tell(gone)
            del lines[rows:]
        self.look()
        self._resized = True
        return self._taken()

    def settle(self) -> list[str]:
        """What has come to rest: all above the cursor's row, and above an input box around it."""
        self.look()
        end = min(self._above_box(), self._screen.y)
        while end and not says_something(self._lines[end - 1].key):
            end -= 1
        self._tell_upto(end)
        return self._taken()

    def finish(self) -> list[str]:
        """What is on the screen at the end, but for an input box."""
        self.look()
        end = self._above_box()
        while end and not self._lines[end - 1].key:
            end -= 1
        self._tell_upto(end)
        self._tell_aside(end)
        return self._taken()

    def mute(self, on: bool) -> None:
        """Draw only; what is shown when that is over counts as told."""
        if self._muted and not on:
            self.look()
            for line in (*self._lines, self._end):
                line.told = True
                line.aside.clear()
            self._told.extend(line.key for line in self._lines if line.key)
        self._muted = on

    def _taken(self) -> list[str]:
        found, self._out = self._out, []
        return found

    def _flood(self, plain: bytes, at: int) -> int:
        """Tell many plain lines past the model, which is fed the last of them only; where to go on.

        The first ones it is fed, too: they push out what was on the screen.
        """
        columns, page = self._screen.columns, self._screen.rows - 1
        rows: list[bytes] = []
        for line in plain.split(b"\n")[:-1]:
            line = line.rstrip(b"\r")
            if b"\t" in line:
                line = line.expandtabs(8)
                if len(line) >= columns:
                    return at
            if len(line) <= columns:
                rows.append(line)
            else:
                rows += [line[x : x + columns] for x in range(0, len(line), columns)]
        if len(rows) < 3 * page:
            return at
        self._screen.feed(b"".join(row + b"\r\n" for row in rows[:page]))
        told = [row.rstrip(b" ").decode("ascii") for row in rows[: len(rows) - page]]
        if not self._muted:
            self._out += told
        self._told.extend(key_of(row) for row in told[-_REMEMBERED:] if row)
        muted, self._muted = self._muted, True
        self._screen.feed(b"".join(row + b"\r\n" for row in rows[len(rows) - page :]))
        self._muted = muted
        return at + len(plain)

    # What the screen does

    def look(self) -> None:
        """Compare the screen with how it was."""
        screen = self._screen
        seen = screen.current.rows, screen.current.inks
        if seen[0] == self._seen[0] and (not self._coloured or seen[1] == self._seen[1]):
            return
        self._seen = list(seen[0]), list(seen[1])
        texts = screen.text()
        # A program that does not ask for pasted text to be marked has no input box, or no more.
        box = input_box(texts) if _PASTE in screen.modes else screen.rows
        drawn = screen.ansi() if self._coloured else texts
        new = [
            Line(key_of(text), line, at >= box)
            for at, (text, line) in enumerate(zip(texts, drawn, strict=True))
        ]
        if _PASTE not in screen.modes:
            for was, now in zip(self._lines, new, strict=True):
                now.boxed = was.boxed and was.key == now.key
        # What scrolls off the main screen comes back when a program draws itself anew for another
        # size; else, the same text there is new text.
        told = self._told if screen.alternate or self._resized else ()
        self._resized = self._resized and not any(texts)  # it begins by clearing the screen
        left, self._lines = advance(self._lines, new, self._end, told), new
        for line in left:
            self._tell(line)

    def leaves(self, row: str, inks: str, lines: list[Line], bottom: int) -> None:
        """The first row is leaving by the top, and a blank one comes in at the bottom."""
        was = lines.pop(0)
        lines.insert(bottom, Line("", ""))
        text = self._screen.plain(row).rstrip(" ")
        if was.key != key_of(text):
            now = Line(key_of(text), "")
            now.aside = was.aside
            was = now
        was.drawn = self._screen.drawn(row, inks, trimmed=True) if self._coloured else text
        self._tell(was)
        self._seen = [], []

    @property
    def shown(self) -> list[Line]:
        """The lines of the screen that is shown."""
        return self._lines

    @property
    def main(self) -> list[Line]:
        """The lines of the main screen."""
        return self._hidden if self._screen.alternate else self._lines

    def switches(self) -> None:
        """The other screen is about to be shown."""
        self.look()
        if self._screen.alternate:
            self._tell_upto(self._above_box())
            self._tell_aside(0)
            self._lines = self._blank()
        self._tell(self._end)
        self._lines, self._hidden = self._hidden, self._lines
        self._seen = [], []

    def _blank(self) -> list[Line]:
        return [Line("", "") for _ in range(self._screen.rows)]

    # What is told of it

    def _above_box(self) -> int:
        if _PASTE not in self._screen.modes:
            return len(self._lines)
        return next((y for y, line in enumerate(self._lines) if line.boxed), len(self._lines))

    def _tell_upto(self, end: int) -> None:
        for line in self._lines[:end]:
            self._tell(line)
            line.told = True

    def _tell_aside(self, first: int) -> None:
        """What vanished below that row, whose turn will not come."""
        for line in (*self._lines[first:], self._end):
            told, line.told = line.told, True
            self._tell(line)
            line.told = told

    def _tell(self, line: Line) -> None:
        aside, line.aside = line.aside, []
        for vanished in aside:
            if self._is_news(vanished):
                self._say(vanished)
        if not line.told and not line.boxed and not is_passing(line.key):
            self._say(line)

    def _is_news(self, line: Line) -> bool:
        """Whether what vanished from the middle is to be told: not what is there elsewhere."""
        if line.told or line.boxed or not says_something(line.key) or is_passing(line.key):
            return False
        return line.key not in self._told and all(line.key != now.key for now in self._lines)

    def _say(self, line: Line) -> None:
        if self._muted:
            return
        if line.key:
            self._told.append(line.key)
        elif self._screen.alternate and self._gap:
            return  # one blank line is enough between what was drawn on different pages
        self._gap = not line.key
        self._out.append(line.drawn)
