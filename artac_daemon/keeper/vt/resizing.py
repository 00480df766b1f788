"""Another size for a terminal, as xterm does it: rows are cut and padded, not wrapped anew."""

from __future__ import annotations

from .emulator import Emulator
from .grid import MOST
from .pens import PLAIN
from .screen import Screen


def resize(terminal: Emulator, columns: int, rows: int) -> None:
    """Rows go from the bottom while blank ones are there below the cursor, then to the history."""
    columns, rows = max(1, min(columns, MOST)), max(1, min(rows, MOST))
    _fewer_rows(terminal, rows)
    del terminal.other.rows[rows:], terminal.other.inks[rows:]
    terminal.columns, terminal.rows = columns, rows
    terminal.blank()
    for screen in (terminal.main, terminal.other):
        _widen(terminal, screen)
    terminal.top, terminal.bottom = 0, rows - 1
    terminal.place(terminal.x, terminal.y)
    if terminal.tabs is not None:
        terminal.tabs = {tab for tab in terminal.tabs if tab < columns}


def _fewer_rows(terminal: Emulator, rows: int) -> None:
    main = terminal.main
    shown = terminal.current is main
    y = terminal.y if shown else main.saved.y if main.saved else 0
    while len(main.rows) > rows and len(main.rows) - 1 > y and _is_blank(main, -1):
        del main.rows[-1], main.inks[-1]
    gone = max(0, len(main.rows) - rows)
    for at in range(gone):
        terminal.keep(main.rows[at], main.inks[at])
    del main.rows[:gone], main.inks[:gone]
    if shown:
        terminal.y = max(0, terminal.y - gone)
    if main.saved:
        main.saved.y = max(0, main.saved.y - gone)


def _is_blank(screen: Screen, y: int) -> bool:
    return not screen.rows[y].strip(" ") and not screen.inks[y].strip(PLAIN)


def _widen(terminal: Emulator, screen: Screen) -> None:
    spaces, plain = terminal.blank_row()
    columns = len(spaces)
    for y, (row, inks) in enumerate(zip(screen.rows, screen.inks, strict=True)):
        if not row.strip(" ") and not inks.strip(PLAIN):
            screen.rows[y], screen.inks[y] = spaces, plain
        else:
            screen.rows[y] = (terminal.cut(row, columns) + spaces)[:columns]
            inks = (inks + plain)[:columns]
            screen.inks[y] = inks if inks.strip(PLAIN) else plain
    more = terminal.rows - len(screen.rows)
    screen.rows += [spaces] * more
    screen.inks += [plain] * more
    if saved := screen.saved:
        saved.x, saved.y = min(saved.x, columns - 1), min(saved.y, terminal.rows - 1)
