"""How a cell is drawn, as a number, and the table that gives each number in use a character.

A row's pens are a string, one character per cell, so that they are cut and joined like text. The
table is swept of what no cell has any more: it stays as large as what is on the screens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# Bits of a pen: nine switches, the underline's form, three colours, a link.
_SWITCHES = (1, 2, 3, 5, 6, 7, 8, 9, 53)
_UNDERLINE = 9
_FORMS = 7 << _UNDERLINE
FOREGROUND, BACKGROUND, LINE_COLOUR = 12, 38, 64
_COLOUR = (1 << 26) - 1
LINK = 90
_BELOW_LINK = (1 << LINK) - 1
# A colour is 0 for the terminal's own, or one of these with an index or red, green and blue.
_INDEXED, _RGB = 1 << 24, 1 << 25

_ON = {code: 1 << bit for bit, code in enumerate(_SWITCHES)}
_OFF = {22: 0b11, 23: 1 << 2, 24: _FORMS, 25: 0b11 << 3, 27: 1 << 5, 28: 1 << 6, 29: 1 << 7}
_OFF |= {55: 1 << 8, 39: _COLOUR << FOREGROUND, 49: _COLOUR << BACKGROUND}
_OFF |= {59: _COLOUR << LINE_COLOUR}
_COLOURED = {38: FOREGROUND, 48: BACKGROUND, 58: LINE_COLOUR}

_MOST = 0xFFFF
_REMEMBERED = 128
_RUNS = re.compile(r"(.)\1*", re.DOTALL)

PLAIN = "\0"


def select(pen: int, parameters: str) -> int:
    """The pen after a selection of graphic rendition (SGR)."""
    codes = parameters.split(";")
    at = 0
    while at < len(codes):
        head, *parts = codes[at].split(":")
        code = int(head or 0)
        at += 1
        if code in _COLOURED:
            if parts:
                colour = _colour([int(part or 0) for part in _without_space(parts)])
            else:
                given = [int(text.partition(":")[0] or 0) for text in codes[at : at + 4]]
                colour = _colour(given)
                at += {5: 2, 2: 4}.get(given[0] if given else 0, len(given))
            if colour is not None:
                pen = pen & ~(_COLOUR << _COLOURED[code]) | colour << _COLOURED[code]
        elif code == 0:
            pen &= ~_BELOW_LINK
        elif code == 4 or code == 21:
            form = int(parts[0] or 0) if parts else (1 if code == 4 else 2)
            pen = pen & ~_FORMS | min(form, 5) << _UNDERLINE
        elif code in _ON:
            pen |= _ON[code]
        elif code in _OFF:
            pen &= ~_OFF[code]
        else:
            pen = _short(pen, code)
    return pen


def _short(pen: int, code: int) -> int:
    """The sixteen colours that have a code of their own."""
    for first, shift, bright in (
        (30, FOREGROUND, 0),
        (40, BACKGROUND, 0),
        (90, FOREGROUND, 8),
        (100, BACKGROUND, 8),
    ):
        if first <= code < first + 8:
            return pen & ~(_COLOUR << shift) | (_INDEXED | code - first + bright) << shift
    return pen


def _without_space(parts: list[str]) -> list[str]:
    """38:2::R:G:B names a colour space, 38:2:R:G:B does not."""
    return [parts[0], *parts[2:5]] if parts[0] == "2" and len(parts) >= 5 else parts


def _colour(given: list[int]) -> int | None:
    if len(given) >= 2 and given[0] == 5:
        return _INDEXED | min(given[1], 255)
    if len(given) >= 4 and given[0] == 2:
        red, green, blue = (min(part, 255) for part in given[1:4])
        return _RGB | red << 16 | green << 8 | blue
    return None


def codes(pen: int) -> str:
    """What SGR takes to make that of a plain pen, `1;38;5;7`."""
    parts = [str(code) for code, bit in _ON.items() if pen & bit]
    if form := pen >> _UNDERLINE & 7:
        parts.append("4" if form == 1 else f"4:{form}")
    for shift, base in ((FOREGROUND, 30), (BACKGROUND, 40), (LINE_COLOUR, 0)):
        colour = pen >> shift & _COLOUR
        value = colour & 0xFFFFFF
        if not colour:
            continue
        if shift == LINE_COLOUR:
            # With colons: who does not know 58 would take what follows semicolons for switches.
            rgb = f"2::{value >> 16}:{value >> 8 & 255}:{value & 255}"
            parts.append(f"58:{rgb}" if colour & _RGB else f"58:5:{value}")
        elif colour & _RGB:
            parts.append(f"{base + 8};2;{value >> 16};{value >> 8 & 255};{value & 255}")
        elif value < 16:
            parts.append(str(base + value if value < 8 else base + 52 + value))
        else:
            parts.append(f"{base + 8};5;{value}")
    return ";".join(parts)


class Pens:
    """Pens in use and their characters; `live` tells the characters that cells have."""

    def __init__(self, live: Callable[[], Iterable[str]]) -> None:
        self._live = live
        self._pens: dict[str, int] = {PLAIN: 0}
        self._characters: dict[int, str] = {0: PLAIN}
        self._free: list[str] = []
        self._sweep_at = 256
        self._selected: dict[tuple[int, str], int] = {}
        self._codes: dict[str, str] = {}

    def select(self, pen: int, parameters: str) -> int:
        """As `pens.select`, which is remembered: programs say the same few things all day."""
        key = pen, parameters
        found = self._selected.get(key)
        if found is None:
            if len(self._selected) >= _REMEMBERED:
                self._selected.clear()
            found = self._selected[key] = select(pen, parameters)
        return found

    def character(self, pen: int) -> str:
        """What stands for that pen in a row; the plain one's when there are too many."""
        found = self._characters.get(pen)
        if found is not None:
            return found
        if not self._free and len(self._pens) >= self._sweep_at:
            self.sweep()
        if not self._free and len(self._pens) > _MOST:
            return PLAIN
        character = self._free.pop() if self._free else chr(len(self._pens))
        self._pens[character] = pen
        self._characters[pen] = character
        self._codes.pop(character, None)
        return character

    def sweep(self) -> None:
        """Let go of the pens that no cell has."""
        used = {PLAIN, *self._live()}
        self._free = [character for character in self._pens if character not in used]
        for character in self._free:
            self._characters.pop(self._pens[character], None)
            self._pens[character] = 0
        self._sweep_at = (len(self._pens) - len(self._free)) * 5 // 4 + 256

    def links(self) -> set[int]:
        """The numbers of the links that pens in the table have."""
        return {pen >> LINK for pen in self._pens.values()}

    def start(self, pen: int, links: dict[int, str]) -> str:
        """What makes a plain pen that one."""
        link = links.get(pen >> LINK, "")
        chosen = codes(pen)
        return (f"\x1b]8;{link}\x1b\\" if link else "") + (f"\x1b[{chosen}m" if chosen else "")

    def draw(self, text: str, pens: str, links: dict[int, str]) -> str:
        """Text and pens of one length as escape sequences; begins and ends with a plain pen."""
        if not pens.strip(PLAIN):
            return text
        parts: list[str] = []
        plain, link = True, 0
        for run in _RUNS.finditer(pens):
            start, end = run.span()
            character = pens[start]
            next_link = self._pens[character] >> LINK
            if next_link != link:
                parts.append(f"\x1b]8;{links.get(next_link, ';')}\x1b\\")
                link = next_link
            chosen = self._codes.get(character)
            if chosen is None:
                if len(self._codes) >= _REMEMBERED:
                    self._codes.clear()
                chosen = self._codes[character] = codes(self._pens[character])
            if not chosen:
                parts.append("" if plain else "\x1b[m")
            else:
                parts.append(f"\x1b[{chosen}m" if plain else f"\x1b[0;{chosen}m")
            plain = not chosen
            parts.append(text[start:end])
        if link:
            parts.append("\x1b]8;;\x1b\\")
        if not plain:
            parts.append("\x1b[m")
        return "".join(parts)
