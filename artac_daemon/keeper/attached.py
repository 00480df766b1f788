"""A client at a session's terminal: what it is told, and what it has yet to be told."""

from __future__ import annotations

from .claude_input import ClaudeInput
from .input import Full
from .link import Link
from .vt.grid import MOST
from .wire import DATA, SCREEN, placed

# What may wait to be typed (bytes): beyond it the client is not read from, and stops reading too.
_TYPED_AHEAD = 256 * 1024

_PASTE_BEGIN, _PASTE_END = b"\x1b[200~", b"\x1b[201~"


class Attached:
    """One client. Nothing waits for it: what it does not take in time it reads from the file."""

    def __init__(self, link: Link, asked: dict[str, object], into: ClaudeInput) -> None:
        self.link = link
        self._into = into
        self.who = str(asked["who"])
        self.read_only = bool(asked.get("read_only"))
        self.ignore_size = bool(asked.get("ignore_size"))
        self.from_start = bool(asked.get("from_start"))
        self.lines = int(str(asked.get("lines", 0)))
        self.window: tuple[int, int] | None = None
        if asked.get("columns") and asked.get("rows"):
            self.window = size_in(asked)
        self.awaits: int | None = None  # the offset that the screen it waits for has to be at
        self._typed = 0
        self._pasting = False
        self._tail = b""  # of what it typed, where a mark of a paste may have begun
        self._behind = False
        self._resized: tuple[int, int, int] | None = None  # offset and size, not told of yet

    def output(self, frame: bytes) -> None:
        """There is output, which the file has."""
        if self.awaits is None and not self._behind:
            self._behind = not self.link.send_if_free(frame)

    def types(self, data: bytes) -> None:
        """What it types goes in whole and in order, as fast as the program reads."""
        if self.read_only:
            return
        if self._pasting or self._tail or b"\x1b" in data:
            self._follow_paste(data)
        if not self._typed:
            data = data[self._into.at_once(data) :]
            if not data:
                return
        self._typed += len(data)
        if self._typed > _TYPED_AHEAD:
            self.link.pause()
        try:
            self._into.put(data, "", lambda _: self._has_typed(len(data)))
        except Full:
            # As a terminal does whose program has not read for long.
            self._has_typed(len(data))

    def _follow_paste(self, data: bytes) -> None:
        seen = self._tail + data
        begun, ended = seen.rfind(_PASTE_BEGIN), seen.rfind(_PASTE_END)
        if begun != ended:
            self._pasting = begun > ended
        tail = seen[1 - len(_PASTE_END) :]
        self._tail = tail[tail.rfind(b"\x1b") :] if b"\x1b" in tail else b""

    def ends_paste(self) -> None:
        """It has gone; without its end, all that others type would be more of its paste."""
        if self._pasting:
            self.types(_PASTE_END)

    def _has_typed(self, length: int) -> None:
        self._typed -= length
        if self._typed <= _TYPED_AHEAD:
            self.link.resume()

    @property
    def is_up_to_date(self) -> bool:
        """Whether the output is sent to it as it comes."""
        return self.awaits is None and not self._behind

    @property
    def waits_from(self) -> int | None:
        """The offset of the screen that it could take now; None where there is none."""
        return None if self.link.unsent else self.awaits

    def want_screen(self, at: int) -> None:
        """It is to get the whole screen, as it is at that offset or later."""
        if self.awaits is None:
            self.awaits = at

    def show(self, at: int, screen: bytes, written: int) -> None:
        """The whole screen; later, when it has not even taken what was before."""
        if self.link.unsent:
            self._behind = True
            return
        self.awaits = None
        self.link.send_frame(placed(SCREEN, at, screen))
        self._behind = written > at
        self.drained(written)

    def resized(self, at: int, columns: int, rows: int) -> None:
        """The terminal has another size from that offset on."""
        if self.link.unsent:
            # A storm of them must not fill its queue: it gets the last one when it reads again.
            self._resized, self._behind = (at, columns, rows), True
            return
        self.link.send({"event": "size", "columns": columns, "rows": rows, "at": at})

    def drained(self, written: int) -> None:
        """It has taken everything that was sent."""
        if self.link.unsent:
            return
        if self._resized is not None:
            at, columns, rows = self._resized
            self._resized = None
            self.link.send({"event": "size", "columns": columns, "rows": rows, "at": at})
        if self.awaits is None and (self._behind or self.from_start):
            self._behind = self.from_start = False
            self.link.send_frame(placed(DATA, written, b""))

    def detach(self, why: str, by: str) -> None:
        """Send it away."""
        self.ends_paste()
        self.link.send({"event": "detached", "why": why, "by": by})
        self.link.finish()

    def ended(self, written: int, end: dict[str, object]) -> None:
        """Its session has ended."""
        self.link.send({"event": "ended", "end": end, "at": written})
        self.link.finish()


def size_in(message: dict[str, object]) -> tuple[int, int]:
    """The columns and rows in a message, as far as the model of the screen goes.

    ValueError where no terminal has so many.
    """
    columns, rows = int(str(message["columns"])), int(str(message["rows"]))
    if not (1 <= columns <= 4096 and 1 <= rows <= 4096):
        raise ValueError(f"a window of {columns} x {rows}")
    return min(columns, MOST), min(rows, MOST)
