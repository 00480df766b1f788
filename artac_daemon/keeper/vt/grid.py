"""The cells of a terminal's two screens, and what is done to them at the cursor.

A row is two strings of the screen's width, its characters and its pens. Strings are cut and joined
in C, take a byte or two per cell, and all blank rows are the same one. A wide character is followed
by `REST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .clusters import REST, Clusters
from .history import History
from .pens import BACKGROUND, LINE_COLOUR, PLAIN, Pens
from .screen import Screen
from .widths import narrow, width

MOST = 1000
_ERASING = (1 << LINE_COLOUR) - (1 << BACKGROUND)


class Grid:
    """Rows and columns count from 0; `x` is `columns` when the next character is to wrap."""

    def __init__(
        self, columns: int, rows: int, history: History, on_line: Callable[[str], None] | None
    ) -> None:
        self.columns = max(1, min(columns, MOST))
        self.rows = max(1, min(rows, MOST))
        self.x = self.y = self.top = 0
        self.bottom = self.rows - 1
        self.pen = 0
        self.wrap, self.insert = True, False
        self.clusters = Clusters(self._cells_in_use)
        self.links: dict[int, str] = {}
        self.pens = Pens(self._inks_in_use)
        self._ink = PLAIN
        self._history = history
        self._on_line = on_line
        self._last = ""
        self._odd = False  # a wide or clustered cell was ever put down
        self.blank()
        self.main = self._screen()
        self.other = self._screen()
        self.current = self.main

    def blank(self) -> None:
        """Make what blank rows are of anew, for the columns that there are now."""
        self._spaces = " " * self.columns
        self._plain = PLAIN * self.columns

    def blank_row(self) -> tuple[str, str]:
        """The characters and the pens of a blank row: these very objects, which all share."""
        return self._spaces, self._plain

    def _screen(self) -> Screen:
        return Screen([self._spaces] * self.rows, [self._plain] * self.rows)

    def _inks_in_use(self) -> Iterator[str]:
        yield self._ink
        for inks in (*self.main.inks, *self.other.inks):
            if inks is not self._plain:
                yield from set(inks)

    def _cells_in_use(self) -> str:
        return "".join((*self.main.rows, *self.other.rows))

    # Drawing

    def use(self, pen: int) -> None:
        """Draw with that pen from now on."""
        if pen != self.pen:
            self.pen = pen
            self._ink = self.pens.character(pen)

    def put(self, text: str) -> None:
        """Characters of one column each, at the cursor."""
        columns = self.columns
        x = self.x
        self._last = text[-1]
        while True:
            if x == columns and self.wrap:
                self.x = x = 0
                self.index()
            elif x == columns:
                x -= 1
            room = columns - x
            if len(text) <= room:
                break
            if not self.wrap:
                text = text[: room - 1] + text[-1]
                break
            self._set(x, text[:room])
            text = text[room:]
            x = columns
        self._set(x, text)
        self.x = x + len(text)

    def _set(self, x: int, cells: str) -> None:
        y, end = self.y, x + len(cells)
        row, inks = self.current.rows[y], self.current.inks[y]
        if self.insert:
            left = self.columns - len(cells)
            row = self.cut(self.cut(row, x), left)
            self.current.rows[y] = row[:x] + cells + row[x:left]
            self.current.inks[y] = inks[:x] + self._ink * len(cells) + inks[x:left]
            return
        if self._odd:
            row = self.cut(self.cut(row, x), end)
        self.current.rows[y] = row[:x] + cells + row[end:]
        if inks is not self._plain or self._ink != PLAIN:
            self.current.inks[y] = inks[:x] + self._ink * len(cells) + inks[end:]

    def cut(self, row: str, x: int) -> str:
        """The row without a wide character that goes over from x - 1 to x."""
        if 0 < x < len(row) and row[x] == REST:
            return row[: x - 1] + "  " + row[x + 1 :]
        return row

    def put_any(self, text: str) -> None:
        """Characters of any width, at the cursor."""
        if narrow(text):
            self.put(text)
            return
        run = ""
        for character in text:
            columns = width(character)
            if columns == 1:
                run += character
                continue
            if run:
                self.put(run)
                run = ""
            if columns == 2:
                self._put_wide(character)
            elif columns == 0:
                self._join(character)
        if run:
            self.put(run)

    def _put_wide(self, character: str) -> None:
        if self.columns < 2:
            return
        self._odd = True
        if self.x > self.columns - 2:
            if self.wrap:
                self.x = 0
                self.index()
            else:
                self.x = self.columns - 2
        self._set(self.x, character + REST)
        self._last = character
        self.x += 2

    def _join(self, mark: str) -> None:
        at, row = self.x - 1, self.current.rows[self.y]
        if at > 0 and row[at] == REST:
            at -= 1
        if at < 0:
            return
        self._odd = True
        self.current.rows[self.y] = row[:at] + self.clusters.joined(row[at], mark) + row[at + 1 :]

    def repeat(self, count: int) -> None:
        """The last character again."""
        if self._last:
            count = min(count, self.columns * self.rows)
            (self.put_any if self._odd else self.put)(self._last * count)

    # Moving

    def place(self, x: int, y: int) -> None:
        """Set the cursor, within the screen."""
        self.x = max(0, min(x, self.columns - 1))
        self.y = max(0, min(y, self.rows - 1))

    def index(self) -> None:
        """One line down; at the bottom of the region all of it goes up."""
        if self.y == self.bottom:
            self.scroll_up(1)
        elif self.y < self.rows - 1:
            self.y += 1

    def reverse_index(self) -> None:
        """One line up; at the top of the region all of it goes down."""
        if self.y == self.top:
            self.scroll_down(1)
        elif self.y > 0:
            self.y -= 1

    def scroll_up(self, count: int) -> None:
        """The region goes up; what leaves the main screen by its top is kept."""
        screen, top, bottom = self.current, self.top, self.bottom
        count = min(count, bottom + 1 - top)
        if top == 0 and screen is self.main:
            for y in range(count):
                self.keep(screen.rows[y], screen.inks[y])
        if screen.doubt and top == 0 and bottom == self.rows - 1:
            screen.doubt = max(0, screen.doubt - count)
        self.delete_rows(top, count)

    def scroll_down(self, count: int) -> None:
        """The region goes down."""
        self.insert_rows(self.top, count)

    def delete_rows(self, y: int, count: int) -> None:
        """Rows from y on leave the region, blank ones come in below."""
        count = min(count, self.bottom + 1 - y)
        self._turn(y, y + count, self.bottom + 1 - count, count)

    def insert_rows(self, y: int, count: int) -> None:
        """Blank rows come in at y, the region's last ones leave."""
        count = min(count, self.bottom + 1 - y)
        self._turn(self.bottom + 1 - count, self.bottom + 1, y, count)

    def _turn(self, first: int, end: int, at: int, count: int) -> None:
        rows, inks = self.current.rows, self.current.inks
        del rows[first:end], inks[first:end]
        rows[at:at] = [self._spaces] * count
        inks[at:at] = [self._erased_inks()] * count

    def keep(self, row: str, inks: str) -> None:
        """A row leaves by the top."""
        if self._on_line is not None or self._history.wanted:
            line = self.drawn(row, inks, trimmed=True)
            self._history.add(line)
            if self._on_line is not None:
                self._on_line(line)

    # Erasing

    def _erased_inks(self) -> str:
        """What is erased has the pen's background, and nothing else of it."""
        pen = self.pen & _ERASING
        return self.pens.character(pen) * self.columns if pen else self._plain

    def erase(self, y: int, first: int, end: int) -> None:
        """Blank the cells from `first` to before `end`."""
        erased = self._erased_inks()
        screen = self.current
        if first <= 0 and end >= self.columns:
            screen.rows[y], screen.inks[y] = self._spaces, erased
            return
        row, inks = self.cut(self.cut(screen.rows[y], first), end), screen.inks[y]
        screen.rows[y] = row[:first] + self._spaces[first:end] + row[end:]
        screen.inks[y] = inks[:first] + erased[first:end] + inks[end:]

    def erase_rows(self, first: int, end: int) -> None:
        """Blank whole rows."""
        for y in range(first, end):
            self.erase(y, 0, self.columns)
        if first <= 0 and end >= self.rows:
            self.current.doubt = 0

    def insert_cells(self, count: int) -> None:
        """Blank cells at the cursor; the row's last ones leave."""
        x, screen, y = self.x, self.current, self.y
        count = min(count, self.columns - x)
        end = self.columns - count
        row, inks = self.cut(self.cut(screen.rows[y], x), end), screen.inks[y]
        screen.rows[y] = row[:x] + self._spaces[:count] + row[x:end]
        screen.inks[y] = inks[:x] + self._erased_inks()[:count] + inks[x:end]

    def delete_cells(self, count: int) -> None:
        """Cells at the cursor leave; blank ones come in at the row's end."""
        x, screen, y = self.x, self.current, self.y
        count = min(count, self.columns - x)
        row, inks = self.cut(self.cut(screen.rows[y], x), x + count), screen.inks[y]
        screen.rows[y] = row[:x] + row[x + count :] + self._spaces[:count]
        screen.inks[y] = inks[:x] + inks[x + count :] + self._erased_inks()[:count]

    def fill(self, character: str) -> None:
        """DECALN: the whole screen of one character, plain."""
        self.current.rows[:] = [character * self.columns] * self.rows
        self.current.inks[:] = [self._plain] * self.rows
        self.current.doubt = 0

    def forget_history(self) -> None:
        """ED 3: what has left by the top is gone."""
        self._history.clear()

    # Reading

    def plain(self, row: str) -> str:
        """A row's text."""
        return row.translate(self.clusters.texts) if self._odd else row

    def drawn(self, row: str, inks: str, trimmed: bool = False) -> str:
        """A row, or a part of one, with escape sequences; `trimmed` of blanks at its end."""
        if trimmed:
            length = max(len(row.rstrip(" ")), len(inks.rstrip(PLAIN)))
            row, inks = row[:length], inks[:length]
        text = self.pens.draw(row, inks, self.links)
        return self.plain(text)
