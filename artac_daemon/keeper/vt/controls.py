"""What each control sequence does, by its prefix, intermediates and final character."""

from __future__ import annotations

from collections.abc import Callable

from .emulator import Emulator

Control = Callable[[Emulator, list[int]], None]
_MOST = 65535


def numbers(parameters: str) -> list[int] | None:
    """Parameters, at least one, 0 for one that is left out; None where there are parts of some."""
    if ":" in parameters:
        return None
    return [min(int(text), _MOST) if text else 0 for text in parameters.split(";")]


def _second(given: list[int]) -> int:
    return given[1] if len(given) > 1 else 0


def _up(terminal: Emulator, given: list[int]) -> None:
    y = terminal.y
    least = terminal.top if y >= terminal.top else 0
    terminal.place(terminal.x, max(least, y - (given[0] or 1)))


def _down(terminal: Emulator, given: list[int]) -> None:
    y = terminal.y
    most = terminal.bottom if y <= terminal.bottom else terminal.rows - 1
    terminal.place(terminal.x, min(most, y + (given[0] or 1)))


def _right(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x + (given[0] or 1), terminal.y)


def _left(terminal: Emulator, given: list[int]) -> None:
    terminal.place(min(terminal.x, terminal.columns - 1) - (given[0] or 1), terminal.y)


def _next_line(terminal: Emulator, given: list[int]) -> None:
    _down(terminal, given)
    terminal.x = 0


def _previous_line(terminal: Emulator, given: list[int]) -> None:
    _up(terminal, given)
    terminal.x = 0


def _column(terminal: Emulator, given: list[int]) -> None:
    terminal.place((given[0] or 1) - 1, terminal.y)


def _row(terminal: Emulator, given: list[int]) -> None:
    terminal.go_to(terminal.x, (given[0] or 1) - 1)


def _row_on(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y + (given[0] or 1))


def _position(terminal: Emulator, given: list[int]) -> None:
    terminal.go_to((_second(given) or 1) - 1, (given[0] or 1) - 1)


def _tab(terminal: Emulator, given: list[int]) -> None:
    for _ in range(min(given[0] or 1, terminal.columns)):
        if terminal.x < terminal.columns - 1:
            terminal.x = terminal.next_tab(terminal.x)


def _back_tab(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    for _ in range(min(given[0] or 1, terminal.columns)):
        terminal.x = terminal.last_tab(terminal.x)


def _clear_tabs(terminal: Emulator, given: list[int]) -> None:
    if given[0] == 0:
        terminal.own_tabs().discard(min(terminal.x, terminal.columns - 1))
    elif given[0] == 3:
        terminal.tabs = set()


def _default_tabs(terminal: Emulator, given: list[int]) -> None:
    if given[0] == 5:
        terminal.tabs = None


def _erase_in_display(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    x, y, how = terminal.x, terminal.y, given[0]
    if how == 0 and not x:
        terminal.erase_rows(y, terminal.rows)
    elif how == 0:
        terminal.erase(y, x, terminal.columns)
        terminal.erase_rows(y + 1, terminal.rows)
    elif how == 1:
        terminal.erase_rows(0, y)
        terminal.erase(y, 0, x + 1)
    elif how == 2:
        terminal.erase_rows(0, terminal.rows)
    elif how == 3:
        terminal.forget_history()


def _erase_in_line(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    x, how = terminal.x, given[0]
    if how in (0, 1, 2):
        first, end = ((x, terminal.columns), (0, x + 1), (0, terminal.columns))[how]
        terminal.erase(terminal.y, first, end)


def _erase_cells(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    end = min(terminal.x + (given[0] or 1), terminal.columns)
    terminal.erase(terminal.y, terminal.x, end)


def _insert_cells(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    terminal.insert_cells(given[0] or 1)


def _delete_cells(terminal: Emulator, given: list[int]) -> None:
    terminal.place(terminal.x, terminal.y)
    terminal.delete_cells(given[0] or 1)


def _insert_lines(terminal: Emulator, given: list[int]) -> None:
    if terminal.top <= terminal.y <= terminal.bottom:
        terminal.insert_rows(terminal.y, given[0] or 1)
        terminal.x = 0


def _delete_lines(terminal: Emulator, given: list[int]) -> None:
    if terminal.top <= terminal.y <= terminal.bottom:
        terminal.delete_rows(terminal.y, given[0] or 1)
        terminal.x = 0


def _scroll_down(terminal: Emulator, given: list[int]) -> None:
    if len(given) == 1:  # more of them track the mouse
        terminal.scroll_down(given[0] or 1)


def _set_ansi(terminal: Emulator, given: list[int], on: bool) -> None:
    if 4 in given:
        terminal.insert = on
    if 20 in given:
        terminal.newline_mode = on


def _set_private(terminal: Emulator, given: list[int], on: bool) -> None:
    for mode in given:
        terminal.set_private(mode, on)


def _region(terminal: Emulator, given: list[int]) -> None:
    terminal.set_region((given[0] or 1) - 1, (_second(given) or terminal.rows) - 1)


def _window(terminal: Emulator, given: list[int]) -> None:
    if given[0] in (22, 23) and _second(given) in (0, 2):
        (terminal.push_title if given[0] == 22 else terminal.pop_title)()


def _cursor_style(terminal: Emulator, given: list[int]) -> None:
    if given[0] <= 6:
        terminal.cursor_style = given[0]


def _other_keys(terminal: Emulator, given: list[int]) -> None:
    if given[0] == 4:
        terminal.other_keys = min(_second(given), 3)


def _no_other_keys(terminal: Emulator, given: list[int]) -> None:
    if given[0] == 4:
        terminal.other_keys = 0


def _align(terminal: Emulator) -> None:
    terminal.top, terminal.bottom = 0, terminal.rows - 1
    terminal.place(0, 0)
    terminal.fill("E")


def _next_line_down(terminal: Emulator) -> None:
    terminal.x = 0
    terminal.index()


def _set_keypad(terminal: Emulator, on: bool) -> None:
    terminal.keypad = on


CONTROLS: dict[str, Control] = {
    "@": _insert_cells,
    "A": _up,
    "B": _down,
    "C": _right,
    "D": _left,
    "E": _next_line,
    "F": _previous_line,
    "G": _column,
    "H": _position,
    "I": _tab,
    "J": _erase_in_display,
    "K": _erase_in_line,
    "L": _insert_lines,
    "M": _delete_lines,
    "P": _delete_cells,
    "S": lambda terminal, given: terminal.scroll_up(given[0] or 1),
    "T": _scroll_down,
    "X": _erase_cells,
    "Z": _back_tab,
    "`": _column,
    "a": _right,
    "b": lambda terminal, given: terminal.repeat(given[0] or 1),
    "d": _row,
    "e": _row_on,
    "f": _position,
    "g": _clear_tabs,
    "h": lambda terminal, given: _set_ansi(terminal, given, True),
    "l": lambda terminal, given: _set_ansi(terminal, given, False),
    "r": _region,
    "s": lambda terminal, given: terminal.save(),
    "t": _window,
    "u": lambda terminal, given: terminal.restore(),
    "?J": _erase_in_display,
    "?K": _erase_in_line,
    "?W": _default_tabs,
    "?h": lambda terminal, given: _set_private(terminal, given, True),
    "?l": lambda terminal, given: _set_private(terminal, given, False),
    "!p": lambda terminal, given: terminal.soft_reset(),
    " q": _cursor_style,
    ">m": _other_keys,
    ">n": _no_other_keys,
    ">u": lambda terminal, given: terminal.push_keyboard(given[0]),
    "<u": lambda terminal, given: terminal.pop_keyboard(given[0] or 1),
    "=u": lambda terminal, given: terminal.set_keyboard(given[0], _second(given) or 1),
}

ESCAPES: dict[str, Callable[[Emulator], None]] = {
    "7": Emulator.save,
    "8": Emulator.restore,
    "=": lambda terminal: _set_keypad(terminal, True),
    ">": lambda terminal: _set_keypad(terminal, False),
    "D": Emulator.index,
    "E": _next_line_down,
    "H": lambda terminal: terminal.own_tabs().add(min(terminal.x, terminal.columns - 1)),
    "M": Emulator.reverse_index,
    "c": Emulator.reset,
    "#8": _align,
}
