"""One of a terminal's two screens, and a saved cursor."""

from __future__ import annotations


class Saved:
    """A cursor as DECSC saves it."""

    __slots__ = ("charsets", "origin", "pen", "shift", "x", "y")

    def __init__(
        self, x: int, y: int, pen: int, charsets: tuple[str, ...], shift: int, origin: bool
    ) -> None:
        self.x = x
        self.y = y
        self.pen = pen
        self.charsets = charsets
        self.shift = shift
        self.origin = origin


class Screen:
    """Rows of characters and of pens, the cursor saved on it, its keyboard's flags."""

    __slots__ = ("doubt", "inks", "keyboard", "rows", "saved")

    def __init__(self, rows: list[str], inks: list[str]) -> None:
        self.rows = rows
        self.inks = inks
        self.saved: Saved | None = None
        # Flags of the kitty protocol; the last ones hold.
        self.keyboard = [0]
        # How many lines have yet to scroll by until all that it shows is known again.
        self.doubt = 0
