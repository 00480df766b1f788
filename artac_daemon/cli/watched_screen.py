"""A screen model that says when it is about to change in a way that loses lines."""

from __future__ import annotations

from typing import Protocol

from ..keeper.vt.terminal import Terminal
from .frames import Line


class Watcher(Protocol):
    """Who is told."""

    def look(self) -> None:
        """A redraw may be complete, and the next one is beginning."""

    def leaves(self, row: str, inks: str, lines: list[Line], bottom: int) -> None:
        """The first row is leaving by the top, and a blank one comes in at the bottom."""

    def switches(self) -> None:
        """The other screen is about to be shown."""

    @property
    def shown(self) -> list[Line]:
        """The lines of the screen that is shown."""

    @property
    def main(self) -> list[Line]:
        """The lines of the main screen."""


class WatchedScreen(Terminal):
    """Looked at when the cursor goes up, as programs draw from the top to the bottom."""

    def __init__(self, columns: int, rows: int, watcher: Watcher) -> None:
        self._watcher = watcher
        self._scrolls = False
        super().__init__(columns, rows, 0, 0)

    def takes_lines(self) -> bool:
        """Whether plain lines would just be put below each other."""
        if self._pending or self._string or self._decoder.getstate()[0] or self.alternate:
            return False
        usual = self.wrap and not self.insert and self.translation is None and self.tabs is None
        whole = self.top == 0 and self.bottom == self.rows - 1 and self.rows > 1
        if self.x or self.pen or not usual or not whole:
            return False
        below = zip(self.current.rows[self.y :], self.current.inks[self.y :], strict=True)
        return all((row, inks) == self.blank_row() for row, inks in below)

    def place(self, x: int, y: int) -> None:
        if y < self.y:
            self._watcher.look()
        super().place(x, y)

    def keep(self, row: str, inks: str) -> None:
        self._watcher.leaves(row, inks, self._watcher.main, self.bottom)

    def scroll_up(self, count: int) -> None:
        if self.top:
            self._watcher.look()
        elif self.alternate:
            for y in range(min(count, self.bottom + 1)):
                row, inks = self.current.rows[y], self.current.inks[y]
                self._watcher.leaves(row, inks, self._watcher.shown, self.bottom)
        self._scrolls = True
        super().scroll_up(count)
        self._scrolls = False

    def delete_rows(self, y: int, count: int) -> None:
        if not self._scrolls:
            self._watcher.look()
        super().delete_rows(y, count)

    def insert_rows(self, y: int, count: int) -> None:
        self._watcher.look()
        super().insert_rows(y, count)

    def erase_rows(self, first: int, end: int) -> None:
        if first <= 0 and end >= self.rows:
            self._watcher.look()
        super().erase_rows(first, end)

    def _switch(self, mode: int, on: bool) -> None:
        if mode != 1048 and on != self.alternate:
            self._watcher.switches()
        super()._switch(mode, on)
