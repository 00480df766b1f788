"""A session's screen in a window of another size: painted from a model, clipped or padded."""

from __future__ import annotations

from ...keeper.vt.painting import RESET, modes
from ...keeper.vt.terminal import Terminal

# The alternate screen, and no line goes on in the next one.
_ENTER = b"\x1b[?1049h\x1b[H\x1b[2J\x1b[?7l"


class View:
    """What of a terminal of `size` is seen in a window of `window`, both columns and rows."""

    def __init__(self, size: tuple[int, int], window: tuple[int, int]) -> None:
        self.model = Terminal(*size, keep_lines=0)
        self._window = window
        self._left = self._top = 0
        self._shown: dict[int, str] = {}
        self._modes = b""
        self._cursor = ""

    def enter(self) -> bytes:
        """What makes the user's terminal ready for `paint`."""
        self.forget()
        return RESET + _ENTER

    def forget(self) -> None:
        """Nothing is known of what the user's terminal shows."""
        self._shown.clear()
        self._modes, self._cursor = b"", ""

    def resize(self, window: tuple[int, int]) -> None:
        """The window has another size."""
        self._window = window
        self.forget()

    def paint(self) -> bytes:
        """What makes the window show the model as it is; nothing when it does."""
        self._move()
        rows = "".join(self._rows())
        place = self._place()
        wanted = modes(self.model)
        if not rows and place == self._cursor and wanted == self._modes:
            return b""
        # Shown as one by terminals that know how; hidden, the cursor does not wander in the others.
        told = wanted if wanted != self._modes else b""
        self._modes, self._cursor = wanted, place
        return f"\x1b[?2026h\x1b[?25l{rows}".encode() + told + f"{place}\x1b[?2026l".encode()

    def last_lines(self) -> bytes:
        """The text of the main screen, as much of it as there is, to be left behind."""
        if self.model.alternate:
            return b""
        lines = [line[: self._window[0]] for line in self.model.text()]
        while lines and not lines[-1]:
            lines.pop()
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _move(self) -> None:
        """Keep the cursor in view, going no further than it takes."""
        row, column = self.model.cursor
        self._top = _slid(self._top, row, self._window[1], self.model.rows)
        self._left = _slid(self._left, column, self._window[0], self.model.columns)

    def _rows(self) -> list[str]:
        wide, high = self._window
        changed = []
        for at in range(high):
            y = self._top + at
            row = ""
            if y < self.model.rows:
                row = self.model.row(y, self._left, self._left + wide)
            if self._shown.get(at) != row:
                self._shown[at] = row
                changed.append(f"\x1b[{at + 1};1H\x1b[2K{row}")
        return changed

    def _place(self) -> str:
        row, column = self.model.cursor
        shown = "\x1b[?25h" if self.model.cursor_visible else ""
        return f"\x1b[{row - self._top + 1};{column - self._left + 1}H{shown}"


def _slid(first: int, wanted: int, room: int, length: int) -> int:
    first = max(min(first, wanted), wanted - room + 1)
    return max(0, min(first, length - room))
