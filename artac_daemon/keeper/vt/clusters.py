"""Cells of several characters: each kind in use has one surrogate, which no UTF-8 decodes to."""

from __future__ import annotations

from collections.abc import Callable

# What follows a wide character, in the second of its cells.
REST = "\udfff"
_FIRST, _MOST = 0xD800, 2047
_LONGEST = 8


class Clusters:
    """The kinds in use; `live` tells the text of all cells."""

    def __init__(self, live: Callable[[], str]) -> None:
        self._live = live
        self._codes: dict[str, int] = {}
        self._free: list[int] = []
        # As `str.translate` takes it.
        self.texts: dict[int, str] = {ord(REST): ""}

    def joined(self, cell: str, mark: str) -> str:
        """What stands for that cell with a mark in it; the cell itself when there are too many."""
        text = self.texts.get(ord(cell), cell) + mark
        code = self._codes.get(text)
        if code is None:
            if len(text) > _LONGEST:
                return cell
            if not self._free and len(self._codes) >= _MOST:
                self._sweep()
                if not self._free:
                    return cell
            code = self._free.pop() if self._free else _FIRST + len(self._codes)
            self._codes[text] = code
            self.texts[code] = text
        return chr(code)

    def _sweep(self) -> None:
        used = set(self._live())
        for text, code in tuple(self._codes.items()):
            if chr(code) not in used:
                del self._codes[text], self.texts[code]
                self._free.append(code)
