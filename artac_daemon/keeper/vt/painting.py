"""What brings a blank terminal to the state of a model, and any terminal back to its own."""

from __future__ import annotations

from .emulator import TRANSLATIONS
from .pens import LINK
from .screen import Saved, Screen
from .terminal import Terminal

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_MOUSE = (9, 1000, 1002, 1003, 1005, 1006, 1015, 1016)
_INPUT = (1, 1004, 2004, 2031)
_ALL_KEYBOARDS = "\x1b[<32u"


def _reset() -> bytes:
    modes = "".join(f"\x1b[?{mode}l" for mode in (5, *_INPUT, *_MOUSE, 2027))
    parts = (
        # The end of whatever was cut off, and of what holds the picture back.
        "\x1b\\\x1b[?2026l\x1b]8;;\x1b\\",
        modes,
        f"{_ALL_KEYBOARDS}\x1b[=0;1u\x1b[>4m\x1b>\x1b[4l\x1b[20l\x1b[?12l\x1b[0 q",
        # A soft reset takes origin mode back without moving the cursor. The region's end moves it,
        # and so does leaving the alternate screen where it was left already: both are saved around.
        f"\x1b[!p{_SAVE}\x1b[r{_RESTORE}{_SAVE}\x1b[?1049l{_ALL_KEYBOARDS}\x1b[=0;1u",
        # What was saved with the main screen's cursor came back with it.
        "\x1b[!p\x1b[?7h\x1b(B\x1b)B\x0f\x1b[m\x1b[?25h",
    )
    return "".join(parts).encode()


RESET: bytes = _reset()


def modes(terminal: Terminal) -> bytes:
    """What the terminal is to send, and how its cursor and title are: all of it, on or off."""
    return "".join(
        (
            _input(terminal),
            f"\x1b[={terminal.current.keyboard[-1]};1u",
            _title(terminal),
            _visible(terminal),
        )
    ).encode()


def paint(terminal: Terminal, lines: int) -> bytes:
    """What makes a blank terminal of that size be as this one is.

    The cursor has to be at the start of a line of the main screen, and nothing to be set. At most
    `lines` of the history come first: they, and whatever the window shows, scroll up.
    """
    main = terminal.main
    above = terminal.history_end(lines)
    drawn = _rows(terminal, main)
    parts: list[str] = []
    if terminal.alternate:
        saved = main.saved or Saved(0, 0, 0, ("B", "B", "B", "B"), 0, False)
        if above.strip() or any(drawn) or saved.origin or saved.x >= terminal.columns:
            parts += ("\r\n".join(drawn), _keyboard(main), _saved(terminal, saved, main))
        else:
            # Nothing is to be seen there: what the window showed before is there again afterwards.
            above = b""
            column = f"\x1b[{saved.x + 1}G" if saved.x else ""
            pen = _drawing(terminal, saved.pen, saved.charsets, saved.shift)
            parts += (_keyboard(main), "\r\n" * saved.y, column, pen)
        # Entering saves the main screen's cursor, and clears with the background of its pen.
        parts += ("\x1b[?1049h", _unsaved(saved), "\x1b[2J")
        for y, row in enumerate(_rows(terminal, terminal.other), 1):
            if row:
                parts.append(f"\x1b[{y};1H{row}")
        parts.append(_keyboard(terminal.other))
    else:
        parts += ("\r\n".join(drawn), _keyboard(main))
    if saved_here := terminal.current.saved:
        parts += (_saved(terminal, saved_here, terminal.current), _SAVE, _unsaved(saved_here))
    parts += (_tabs(terminal), _input(terminal))
    parts += (_titles(terminal), _cursor(terminal), _visible(terminal))
    if 2026 not in terminal.modes:
        parts.append("\x1b[?2026l")
    # The history stays bytes: memory that its lines had as text, a keeper would never give back.
    # What goes on from here may begin with the rest of a sequence.
    return b"".join((b"\x1b[?2026h\x1b[m\x1b[J", above, "".join(parts).encode(), terminal.begun))


def _rows(terminal: Terminal, screen: Screen) -> list[str]:
    return [
        terminal.drawn(row, inks, trimmed=True)
        for row, inks in zip(screen.rows, screen.inks, strict=True)
    ]


def _cursor(terminal: Terminal) -> str:
    """Region, pen, charsets and place; what would be in the way of placing it comes after."""
    parts = []
    if (terminal.top, terminal.bottom) != (0, terminal.rows - 1):
        parts.append(f"\x1b[{terminal.top + 1};{terminal.bottom + 1}r")
    y = terminal.y
    if terminal.origin:
        parts.append("\x1b[?6h")
        y -= terminal.top
    parts.append(_placed(terminal, terminal.current, terminal.x, terminal.y, y))
    parts.append(_drawing(terminal, terminal.pen, terminal.charsets, terminal.shift))
    if terminal.insert:
        parts.append("\x1b[4h")
    if not terminal.wrap:
        parts.append("\x1b[?7l")
    if terminal.newline_mode:
        parts.append("\x1b[20h")
    return "".join(parts)


def _placed(terminal: Terminal, screen: Screen, x: int, y: int, told: int) -> str:
    """The cursor at x of row y, which is called `told`; beyond the last column by its character."""
    if x < terminal.columns:
        return f"\x1b[{told + 1};{x + 1}H"
    row, inks = screen.rows[y], screen.inks[y]
    first = x - 2 if terminal.columns > 1 and not terminal.plain(row[-1]) else x - 1
    return f"\x1b[{told + 1};{first + 1}H{terminal.drawn(row[first:], inks[first:])}"


def _saved(terminal: Terminal, saved: Saved, screen: Screen) -> str:
    origin = "\x1b[?6h" if saved.origin else ""
    place = _placed(terminal, screen, saved.x, saved.y, saved.y)
    return origin + place + _drawing(terminal, saved.pen, saved.charsets, saved.shift)


def _unsaved(saved: Saved) -> str:
    """Everything that was set for the saved cursor taken back."""
    origin = "\x1b[?6l" if saved.origin else ""
    charsets = "".join(
        f"\x1b{place}B"
        for place, name in zip("()*+", saved.charsets, strict=True)
        if name in TRANSLATIONS
    )
    link = "\x1b]8;;\x1b\\" if saved.pen >> LINK else ""
    return f"{origin}{charsets}\x0f{link}\x1b[m"


def _drawing(terminal: Terminal, pen: int, charsets: tuple[str, ...], shift: int) -> str:
    named = "".join(
        f"\x1b{place}{name}"
        for place, name in zip("()*+", charsets, strict=True)
        if name in TRANSLATIONS
    )
    return named + ("\x0e" if shift else "") + terminal.pens.start(pen, terminal.links)


def _keyboard(screen: Screen) -> str:
    base, *pushed = screen.keyboard
    start = f"\x1b[={base};1u" if base else ""
    return start + "".join(f"\x1b[>{flags}u" for flags in pushed)


def _input(terminal: Terminal) -> str:
    on = [mode for mode in terminal.modes if mode in _MOUSE]
    # The ones that are off first: xterm ends all reports of the mouse with any of them.
    parts = [f"\x1b[?{mode}l" for mode in _MOUSE if mode not in terminal.modes]
    parts += [f"\x1b[?{mode}h" for mode in on]
    for mode in (*_INPUT, 5, 2027):
        parts.append(f"\x1b[?{mode}{'h' if mode in terminal.modes else 'l'}")
    parts.append("\x1b=" if terminal.keypad else "\x1b>")
    parts.append(f"\x1b[>4;{terminal.other_keys}m" if terminal.other_keys else "\x1b[>4m")
    # Some terminals take that for an underline.
    parts.append("\x1b[m")
    if 12 in terminal.modes:
        parts.append("\x1b[?12h")
    parts.append(f"\x1b[{terminal.cursor_style} q")
    return "".join(parts)


def _tabs(terminal: Terminal) -> str:
    if terminal.tabs is None:
        return ""
    stops = "".join(f"\x1b[1;{tab + 1}H\x1bH" for tab in sorted(terminal.tabs))
    return f"\x1b[3g{stops}"


def _titles(terminal: Terminal) -> str:
    pushed = "".join(f"\x1b]0;{title}\x07\x1b[22;0t" for title in terminal.titles)
    return pushed + _title(terminal)


def _title(terminal: Terminal) -> str:
    return f"\x1b]0;{terminal.title}\x07" if terminal.title or terminal.titles else ""


def _visible(terminal: Terminal) -> str:
    return "\x1b[?25h" if terminal.cursor_visible else "\x1b[?25l"
