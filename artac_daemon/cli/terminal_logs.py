"""A terminal session's output as text: from where it is read, at which size, and how much of it."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from typing import Any

from ..model.errors import ArtacError
from . import follow
from .client import Client, note, session_path, with_query
from .escapes import harmless_text
from .terminal_text import TerminalText

# What is drawn, and not told, before the place that is asked for: the screen there is made of it.
_LEAD = 128 * 1024
# The last lines are looked for in so much at first, eightfold until they are found, at most.
_WINDOW, _WIDEST = 256 * 1024, 16 * 1024 * 1024
_QUIET = 0.5
_USUAL = (0, 80, 24)
_SWITCH = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_SGR_OR_LINK = re.compile(r"(\x1b\[[0-9;:]*m|\x1b\]8;[^\x1b]*\x1b\\)")

Size = tuple[int, int, int]


class Reading:
    """The text of one session from an offset on; what comes before is drawn only."""

    def __init__(self, client: Client, session: dict[str, Any], start: int, coloured: bool) -> None:
        self._client = client
        self._id = str(session["id"])
        self._wanted = start
        self._coloured = coloured
        first = int(session["output"]["first"])
        self._at = max(first, start - _LEAD)
        self._sizes = self._known_sizes()
        size = max((size for size in self._sizes if size[0] <= self._at), default=self._sizes[0])
        alternate = self._at > 0 and self._begins_on_alternate()
        self._text = TerminalText(size[1], size[2], coloured, alternate)
        if self._at < start:
            self._text.mute(True)

    def batches(self) -> Iterator[list[str]]:
        """All lines that there are now."""
        for piece in follow.output(self._client, self._id, "output", self._at, False):
            yield self._shown(self._feed(piece))
        yield self._shown(self._unmuted() + self._text.finish())

    def follow(self) -> Iterator[list[str]]:
        """What there is and what comes, to the session's end; what has settled is not held back."""
        # A stream cannot be waited for with a time limit from here; another thread reads it.
        pieces: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        threading.Thread(target=self._pump, args=(pieces,), daemon=True).start()
        while True:
            try:
                piece = pieces.get(timeout=_QUIET)
            except queue.Empty:
                yield self._shown(self._text.settle())
                piece = pieces.get()
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                yield self._shown(self._unmuted() + self._text.finish())
                return
            if pieces.empty():
                self._sizes = self._known_sizes()
            yield self._shown(self._feed(piece))

    def _pump(self, into: queue.SimpleQueue[bytes | Exception | None]) -> None:
        try:
            for piece in follow.output(self._client, self._id, "output", self._at, True):
                into.put(piece)
        except (ArtacError, OSError) as error:  # raised again by who waits for it
            into.put(error)
        finally:
            into.put(None)

    def _feed(self, piece: bytes) -> list[str]:
        told: list[str] = []
        start, end = self._at, self._at + len(piece)
        for offset, columns, rows in self._sizes:
            if start <= offset < end and offset > 0:
                told += self._part(piece[self._at - start : offset - start])
                told += self._text.resize(columns, rows)
        return told + self._part(piece[self._at - start :])

    def _part(self, data: bytes) -> list[str]:
        if self._at < self._wanted:
            before = min(len(data), self._wanted - self._at)
            self._text.feed(data[:before])
            self._at += before
            if self._at < self._wanted:
                return []
            data = data[before:]
        self._at += len(data)
        return self._unmuted() + self._text.feed(data)

    def _unmuted(self) -> list[str]:
        self._text.mute(False)
        return []

    def _known_sizes(self) -> list[Size]:
        try:
            found = self._client.get(session_path(self._id, "sizes"))["sizes"]
        except ArtacError:  # a daemon that does not know of them, or is away for now
            found = []
        known = [(int(offset), int(columns), int(rows)) for offset, columns, rows in found]
        return known or getattr(self, "_sizes", None) or [_USUAL]

    def _begins_on_alternate(self) -> bool:
        """By the first switch after it; without any, it is as it is now."""
        seen = b""
        asked = with_query(session_path(self._id, "output"), offset=self._at)
        response = self._client.begin("GET", asked).response()
        try:
            for piece in response.pieces():
                seen = seen[-16:] + piece
                if found := _SWITCH.search(seen):
                    return found[1] == b"l"
        finally:
            response.close()
        try:
            shown = self._client.get(session_path(self._id, "screen"))["screen"]
            return bool(shown["alternate"])
        except ArtacError:
            return False

    def _shown(self, lines: list[str]) -> list[str]:
        if not self._coloured:
            return [harmless_text(line) for line in lines]
        return [_harmless_coloured(line) for line in lines]


def last_lines(
    client: Client, session: dict[str, Any], wanted: int, coloured: bool, tell: bool = True
) -> list[str]:
    """The last lines of what is there; how much was looked at is told where that was not enough."""
    first, size = int(session["output"]["first"]), int(session["output"]["size"])
    window = _WINDOW
    while wanted:
        start = max(first, size - window)
        found = [
            line for batch in Reading(client, session, start, coloured).batches() for line in batch
        ]
        if len(found) >= wanted or start == first or window >= _WIDEST:
            if start > first and len(found) < wanted and tell:
                note(
                    f"of {size - first} bytes of output the last {window} were looked at: "
                    "artac logs without -n shows all of it"
                )
            return found[-wanted:]
        window *= 8
    return []


def _harmless_coloured(line: str) -> str:
    if line.isprintable():
        return line
    parts = _SGR_OR_LINK.split(line)
    return "".join(part if at % 2 else harmless_text(part) for at, part in enumerate(parts))
