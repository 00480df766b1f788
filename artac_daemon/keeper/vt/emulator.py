"""What a terminal has beside its cells: modes, charsets, saved cursors, titles, links."""

from __future__ import annotations

from collections.abc import Callable

from .grid import Grid
from .history import History
from .pens import LINK
from .screen import Saved
from .tokens import CONTROLS

# Private modes that are followed, beside those of the alternate screen.
FOLLOWED_MODES = frozenset(
    (1, 5, 6, 7, 9, 12, 25, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2027, 2031)
)
_MOST_LINKS, _LONGEST_LINK = 256, 2048
_MOST_TITLES, _LONGEST_TITLE = 10, 512
_MOST_KEYBOARDS = 16

_DRAWING = dict(zip(range(0x5F, 0x7F), " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
TRANSLATIONS: dict[str, dict[int, str]] = {"0": _DRAWING, "A": {0x23: "£"}}
_ASCII = ("B", "B", "B", "B")


class Emulator(Grid):
    """The whole state of a terminal. The private modes that are on are in the order of setting."""

    def __init__(
        self, columns: int, rows: int, history: History, on_line: Callable[[str], None] | None
    ) -> None:
        super().__init__(columns, rows, history, on_line)
        self.title = ""
        self.titles: list[str] = []
        self._power_on()

    def _power_on(self) -> None:
        self.modes: dict[int, None] = {7: None, 25: None}
        self.charsets: tuple[str, ...] = _ASCII
        self.shift = 0
        self.translation: dict[int, str] | None = None
        self.newline_mode = self.keypad = False
        self.tabs: set[int] | None = None
        self.cursor_style = self.other_keys = 0

    def reset(self) -> None:
        """RIS: as switched on. What has scrolled off stays."""
        self._power_on()
        self.use(0)
        self.wrap, self.insert = True, False
        self.titles.clear()
        self.main, self.other = self._screen(), self._screen()
        self.current = self.main
        self.set_region(0, self.rows - 1)

    def soft_reset(self) -> None:
        """DECSTR: the cursor stays, and so does what the mouse and the keyboard send."""
        for mode, on in ((1, False), (6, False), (7, True), (25, True)):
            self._keep_mode(mode, on)
        self.wrap, self.insert, self.keypad = True, False, False
        self.top, self.bottom = 0, self.rows - 1
        self.use(0)
        self.set_charsets(_ASCII, 0)
        self.current.saved = None

    # Modes

    def _keep_mode(self, mode: int, on: bool) -> None:
        self.modes.pop(mode, None)
        if on:
            self.modes[mode] = None

    def set_private(self, mode: int, on: bool) -> None:
        """DECSET and DECRST of one mode; unknown ones do nothing."""
        if mode in (47, 1047, 1048, 1049):
            self._switch(mode, on)
            return
        if mode not in FOLLOWED_MODES:
            return
        self._keep_mode(mode, on)
        if mode == 6:
            self.home()
        elif mode == 7:
            self.wrap = on

    def _switch(self, mode: int, on: bool) -> None:
        if on and mode in (1048, 1049):
            self.save()
        if mode != 1048:
            if mode == 1047 and not on and self.current is self.other:
                self.erase_rows(0, self.rows)
            self.current = self.other if on else self.main
            if mode == 1049 and on:
                self.erase_rows(0, self.rows)
        if not on and mode in (1048, 1049):
            self.restore()

    @property
    def origin(self) -> bool:
        """Whether rows are counted from the region's first one."""
        return 6 in self.modes

    # Cursor

    def home(self) -> None:
        """To the first cell, of the region in origin mode."""
        self.go_to(0, 0)

    def go_to(self, x: int, y: int) -> None:
        """Set the cursor as CUP does: in origin mode from the region's first row, and within it."""
        if self.origin:
            self.place(x, min(y + self.top, self.bottom))
        else:
            self.place(x, y)

    def set_region(self, top: int, bottom: int) -> None:
        """The rows that scroll; the cursor goes home."""
        bottom = min(bottom, self.rows - 1)
        if 0 <= top < bottom or (top == bottom == self.rows - 1 == 0):
            self.top, self.bottom = top, bottom
            self.home()

    def save(self) -> None:
        """DECSC."""
        self.current.saved = Saved(self.x, self.y, self.pen, self.charsets, self.shift, self.origin)

    def restore(self) -> None:
        """DECRC; what was never saved is home and plain."""
        saved = self.current.saved or Saved(0, 0, 0, _ASCII, 0, False)
        self._keep_mode(6, saved.origin)
        self.place(saved.x, saved.y)
        if saved.x == self.columns:
            self.x = self.columns
        self.use(saved.pen)
        self.set_charsets(saved.charsets, saved.shift)

    def next_tab(self, x: int) -> int:
        """The column of the first tab stop after x."""
        if self.tabs is None:
            return min((x // 8 + 1) * 8, self.columns - 1)
        return min((tab for tab in self.tabs if tab > x), default=self.columns - 1)

    def last_tab(self, x: int) -> int:
        """The column of the first tab stop before x."""
        if self.tabs is None:
            return max((x - 1) // 8 * 8, 0)
        return max((tab for tab in self.tabs if tab < x), default=0)

    def own_tabs(self) -> set[int]:
        """The tab stops, to be changed."""
        if self.tabs is None:
            self.tabs = set(range(8, self.columns, 8))
        return self.tabs

    # Charsets

    def set_charsets(self, charsets: tuple[str, ...], shift: int) -> None:
        """Which ones there are, and which of them is drawn with."""
        self.charsets, self.shift = charsets, shift
        self.translation = TRANSLATIONS.get(charsets[shift])

    # Keyboard

    def push_keyboard(self, flags: int) -> None:
        """The oldest flags go when there are too many."""
        self.current.keyboard.append(flags & 31)
        del self.current.keyboard[:-_MOST_KEYBOARDS]

    def pop_keyboard(self, count: int) -> None:
        """Without any left there are none."""
        keyboard = self.current.keyboard
        del keyboard[max(0, len(keyboard) - count) :]
        if not keyboard:
            keyboard.append(0)

    def set_keyboard(self, flags: int, how: int) -> None:
        """1 sets them, 2 adds, 3 takes away."""
        keyboard, flags = self.current.keyboard, flags & 31
        if how in (1, 2, 3):
            keyboard[-1] = (flags, keyboard[-1] | flags, keyboard[-1] & ~flags)[how - 1]

    # Titles and links

    def command(self, text: str) -> None:
        """An operating system command (OSC): titles and links are followed."""
        number, _, rest = text.partition(";")
        if number in ("0", "2"):
            self.title = CONTROLS.sub("", rest)[:_LONGEST_TITLE]
        elif number == "8":
            parameters, _, address = rest.partition(";")
            self._link(f"{parameters};{address}" if address else "")

    def push_title(self) -> None:
        """Keep the title for later."""
        self.titles.append(self.title)
        del self.titles[:-_MOST_TITLES]

    def pop_title(self) -> None:
        """The title that was kept last."""
        if self.titles:
            self.title = self.titles.pop()

    def _link(self, link: str) -> None:
        number = 0
        if link and len(link) <= _LONGEST_LINK and not CONTROLS.search(link):
            number = self._link_number(link)
        self.use(self.pen & ~(-1 << LINK) | number << LINK)

    def _link_number(self, link: str) -> int:
        for number, known in self.links.items():
            if known == link:
                return number
        if len(self.links) >= _MOST_LINKS:
            self.pens.sweep()
            used = self.pens.links() | {self.pen >> LINK}
            for screen in (self.main, self.other):
                used.add(screen.saved.pen >> LINK if screen.saved else 0)
            self.links = {number: link for number, link in self.links.items() if number in used}
        for number in range(1, _MOST_LINKS + 1):
            if number not in self.links:
                self.links[number] = link
                return number
        return 0
