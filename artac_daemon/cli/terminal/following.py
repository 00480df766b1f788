"""What the keeper tells, put in order with what is read from the session's output file."""

import errno
import posix

from .frames import DATA, HEADER, MESSAGE, PLACED, SCREEN, Damaged, Frames, number, placed

# Beside the types of frames: what `step` may say.
SIZE, ASK, CUT = 10, 11, 12

# Further behind than that (bytes) there is no sense in showing what a person cannot read anyway.
FAR = 32 * 1024 * 1024
# The same where each byte has to go through a model of the screen, and nothing scrolls away.
FAR_PAINTED = 1024 * 1024
# What is still shown of a longer rest when the session has ended, and no screen is to be had.
_END = 1024 * 1024
_PIECE = 64 * 1024
_SMALL_PIECE = 8 * 1024
# How many sizes are remembered, for a screen that may be of some time ago.
_SIZES = 64

Item = tuple[int, bytes]


class Follower:
    """Goes through a session's output. `size` is the terminal's (columns, rows) where it is."""

    def __init__(self, output: int, from_start: bool) -> None:
        self.size: tuple[int, int] | None = None
        self.painted = False  # how what is read is shown, see FAR_PAINTED
        self.skipped = 0
        self._output = output
        self._frames = Frames()
        self._frame: tuple[int, int, bytes] | None = None
        self._position = 0
        self._target = 0  # the file is known to go to here
        self._blind = not from_start  # nothing can be shown before the next screen
        self._began = from_start
        self._final = False  # no screen will come any more
        self._sizes: list[tuple[int, int, int]] = []  # offset, columns, rows

    def feed(self, data: bytes) -> None:
        """What the keeper has sent, cut anywhere."""
        self._frames.feed(data)

    def goes_on(self, data: bytes) -> bool:
        """Whether that is one whole frame of what comes next here; then it is taken as shown.

        What each key that is echoed leads to, and `step` would take as long as all the rest.
        """
        if (
            data[0] != DATA
            or int.from_bytes(data[1:5], "big") + HEADER != len(data)
            or int.from_bytes(data[HEADER:PLACED], "big") != self._position
            or self._blind
            or self._frame is not None
            or self._frames.begun
            or (self._sizes and self._sizes[-1][0] > self._position)
        ):
            return False
        self._position += len(data) - PLACED
        return True

    def broke_off(self) -> None:
        """The keeper will send no more: what the file has is to be shown."""
        if not self._final:
            self._settle(posix.fstat(self._output).st_size)

    def look_away(self) -> None:
        """Show nothing before the next screen; what is said meanwhile is not passed over."""
        if not self._final:
            self._began = self._began and self._position < self._target  # was behind already
            self._target = max(self._target, self._position)
            self._blind = True

    def step(self) -> Item | None:
        """What is next: `DATA` or `SCREEN` with bytes, `MESSAGE` with JSON, or one of these.

        `SIZE`: `size` has changed. `ASK`: a screen has to be asked for, nothing comes before it.
        `CUT`: what follows does not go on from what was before. None: nothing for now. Damaged when
        the keeper does not keep to its protocol.
        """
        while True:
            if self._size_is_due():
                return SIZE, b""
            limit = self._limit()
            if not self._blind and self._position < limit:
                if (item := self._read(limit)) is not None:
                    return item
                continue
            if self._frame is not None:
                item = self._consume(*self._frame)
                if item is not None:
                    return item
                continue
            found = self._frames.next()
            if found is None:
                return None
            self._begin(*found)

    def _size_is_due(self) -> bool:
        """Whether the size is another one here than it was."""
        if self._blind or not self._sizes:
            return False
        last = self._sizes[-1]
        if last[0] > self._position:
            passed = [size for size in self._sizes if size[0] <= self._position]
            if not passed:
                return False
            last = passed[-1]
        if last[1:] == self.size:
            return False
        self.size = last[1:]
        return True

    def _limit(self) -> int:
        """How far the file is to be read now."""
        limit = self._target if self._frame is None else self._frame[1]
        for at, _, _ in self._sizes:
            if self._position < at < limit:
                return at
        return limit

    def _begin(self, kind: int, body: bytes) -> None:
        if kind in (DATA, SCREEN):
            at, body = placed(body)
            if kind == DATA and not body:
                self._target = max(self._target, at)
                return
        elif kind == MESSAGE:
            if b'"event":"size"' in body:
                self._resize(number(body, b"at"), number(body, b"columns"), number(body, b"rows"))
                return
            at = self._position
            if b'"event":"ended"' in body:
                at = _end(body)
                self._settle(at)
        else:
            raise Damaged(f"a frame of type {kind}")
        self._frame = (kind, at, body)

    def _resize(self, at: int, columns: int, rows: int) -> None:
        before = [size for size in self._sizes[-_SIZES:] if size[0] < at]
        self._sizes = [*before, (at, columns, rows)]
        self._target = max(self._target, at)

    def _settle(self, end: int) -> None:
        """This is how far it goes, and no screen comes any more."""
        self._final = True
        self._target = max(self._target, end)
        if self._blind:
            self._blind = False
            start = max(self._position, end - _END)
            if self._began and not self.painted:
                self.skipped += start - self._position
            self._position, self._began = start, True

    def _consume(self, kind: int, at: int, body: bytes) -> Item | None:
        self._frame = None
        if kind == SCREEN:
            return self._screen(at, body)
        if kind == MESSAGE:
            return MESSAGE, body
        if self._blind:
            self._target = max(self._target, at + len(body))
            return None
        body = body[self._position - at :]
        self._position += len(body)
        return (DATA, body) if body else None

    def _screen(self, at: int, body: bytes) -> Item:
        if self._blind and self._began and not self.painted:
            self.skipped += max(0, at - self._position)
        # A model lags, so a screen may be of before what was shown: from there once more.
        self._target = max(self._target, self._position if self._began else 0)
        self._position, self._blind, self._began = at, False, True
        sizes = [s for s in self._sizes if s[0] <= at]
        if sizes:
            self.size = sizes[-1][1:]
        elif self._sizes and self.size is None:
            self.size = self._sizes[0][1:]
        return SCREEN, body

    def _read(self, limit: int) -> Item | None:
        far = FAR_PAINTED if self.painted else FAR
        if limit - self._position > far:
            if self._frame is not None and self._frame[0] == SCREEN:
                self._blind = True
                return None
            return self._give_up(limit - _END)
        piece = _SMALL_PIECE if self.painted else _PIECE
        data = posix.pread(self._output, min(piece, limit - self._position), self._position)
        # After reading: a head that was dropped meanwhile reads as zeros.
        there = _data_from(self._output, self._position)
        if not data or there > self._position:
            return self._give_up(limit if not data else min(there, limit))
        self._position += len(data)
        return DATA, data

    def _give_up(self, to: int) -> Item:
        """What is from here on cannot be shown."""
        if not self._final:
            self._blind = True
            return ASK, b""
        if not self.painted:
            self.skipped += to - self._position
        self._position = to
        return CUT, b""


def _end(message: bytes) -> int:
    """How far the output of an ended session goes."""
    import json

    try:
        return int(json.loads(message)["at"])
    except (ValueError, KeyError, TypeError):
        raise Damaged("an end that says not where") from None


def _data_from(fd: int, offset: int) -> int:
    """The first offset from there on that is no hole."""
    try:
        return posix.lseek(fd, offset, posix.SEEK_DATA)
    except OSError as error:
        # Nothing but a hole up to the end, or a file system that does not tell.
        return posix.fstat(fd).st_size if error.errno == errno.ENXIO else offset
