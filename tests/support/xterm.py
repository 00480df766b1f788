"""A terminal as a person's is, drawn by pyte, which knows nothing of artac's model of a screen.

pyte has one screen and prints what it does not know of a sequence: here it gets a second one, and
nothing that it would print.
"""

from __future__ import annotations

import re

import pyte

_ALTERNATE = re.compile(rb"\x1b\[\?1049([hl])")
# A parameter that begins with one of <=> , an intermediate byte, and strings other than OSC.
_UNKNOWN = re.compile(
    rb"\x1b\[[<=>][\d;:]*[@-~]|\x1b\[[\d;?]*[!-#%-&*-/][@-~]|\x1b[P_^X].*?\x1b\\", re.DOTALL
)
# What a read has cut: a sequence, or a string, without its end.
_CUT = re.compile(rb"\x1b(\[[<-?\d;:]*[ -/]*|[P_^X][^\x1b]*\x1b?)?\Z")


class Xterm:
    """A main and an alternate screen, of which one is shown."""

    def __init__(self, columns: int, rows: int) -> None:
        self._main = pyte.Screen(columns, rows)
        self._other = pyte.Screen(columns, rows)
        self._streams = {screen: pyte.ByteStream(screen) for screen in (self._main, self._other)}
        self._cut = b""
        self.shown = self._main

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self.shown is self._other

    @property
    def lines(self) -> list[str]:
        """Its rows, without the blanks at their ends."""
        return [line.rstrip() for line in self.shown.display]

    def resize(self, columns: int, rows: int) -> None:
        """The window is of that size now."""
        for screen in self._streams:
            screen.resize(rows, columns)

    def feed(self, data: bytes) -> None:
        """That is written to it, cut anywhere."""
        data = self._cut + data
        cut = _CUT.search(data)
        whole = data[: cut.start()] if cut else data
        self._cut = data[len(whole) :]
        for at, piece in enumerate(_ALTERNATE.split(_UNKNOWN.sub(b"", whole))):
            if at % 2 == 0:
                self._streams[self.shown].feed(piece)
            elif piece == b"h":
                self._enter()
            else:
                self._leave()

    def _enter(self) -> None:
        if not self.alternate:
            _save(self._main)
            self.shown = self._other
            cursor = self._main.cursor
            self._other.reset()
            self._other.cursor.x, self._other.cursor.y = cursor.x, cursor.y

    def _leave(self) -> None:
        # As xterm does it: to the place last saved, also where it was not in the alternate screen.
        self.shown = self._main
        self._main.restore_cursor()


def _save(screen: pyte.Screen) -> None:
    screen.save_cursor()
    del screen.savepoints[:-1]
