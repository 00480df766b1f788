"""What a headless session's own output says about it: its state and how its turns end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..claude import stream
from ..host.inotify import GrowthWatch
from .lines import LineReader, extent

# How far before the end the last state is looked for at first; eightfold until it is found.
_TAIL = 256 * 1024
# How much is read before others get their turn.
_BURST = 4
# While it grows faster than that, how long until it is looked at again, and how often in a row.
_WAIT, _WAITS = 0.25, 8


class Follower:
    """Reads an output file as it grows and hands on what its lines mean."""

    def __init__(
        self, path: Path, watch: GrowthWatch, on_seen: Callable[[stream.Seen, int], None]
    ) -> None:
        self._path = path
        self._on_seen = on_seen
        self._reader: LineReader | None = None
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._size = self._waited = 0
        self._retrying = False
        self._watch = watch
        self._remove: Callable[[], None] = lambda: None

    def start(self, offset: int = 0) -> None:
        """Follow from an offset on. OSError where the file cannot be opened or watched."""
        self._reader = LineReader(self._path, offset)
        self._remove = self._watch.add(self._path, self._schedule)
        self._schedule()

    def start_at_last_state(self, at_most: int | None = None) -> None:
        """Take up a session in the middle: from the last state that it told, or from before it."""
        found = extent(self._path)
        window = _TAIL
        while True:
            offset = max(found.first, found.size - window)
            if offset == found.first or _tells_state(self._path, offset):
                break
            window *= 8
        self.start(offset if at_most is None else max(found.first, min(offset, at_most)))
        self.catch_up()

    def catch_up(self) -> None:
        """Read everything that is there now."""
        while self._reader is not None and self._step():
            pass

    async def reach(self, offset: int) -> None:
        """Read on up to that offset, ahead of the pace."""
        while self._reader is not None and self._reader.offset < offset and self._step():
            await asyncio.sleep(0)

    def close(self) -> None:
        self._remove()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._scheduled = False
        for _ in range(_BURST):
            if self._reader is None or not self._step():
                self._waited = 0
                return
        self._scheduled = True
        size = extent(self._path).size
        if size > self._size and self._waited < _WAITS:
            # A flood: reading along would take processor time from who writes it. Unwatched
            # meanwhile, as the kernel makes an event of every write.
            self._waited += 1
            self._remove()
            self._loop.call_later(_WAIT, self._resume)
        else:
            self._loop.call_soon(self._read)
        self._size = size

    def _resume(self) -> None:
        if self._reader is None:
            return
        try:
            self._remove = self._watch.add(self._path, self._schedule)
        except OSError:  # removed with its session
            self.close()
            return
        self._read()

    def _step(self) -> bool:
        assert self._reader is not None
        for offset, line in self._reader.lines():
            seen = stream.read(line)
            if self._retrying and stream.is_piece(line):
                seen = stream.GOES_ON
            if seen is not stream.NOTHING:
                self._retrying = seen.retry is not None
                self._on_seen(seen, offset)
                if self._reader is None:  # closed by what it told
                    return False
        return self._reader.more


def _tells_state(path: Path, offset: int) -> bool:
    reader = LineReader(path, offset)
    try:
        while True:
            lines = reader.lines()
            if any(_is_telling(stream.read(line)) for _, line in lines):
                return True
            if not reader.more:
                return False
    finally:
        reader.close()


def _is_telling(seen: stream.Seen) -> bool:
    return (
        seen.state is not None
        or seen.result is not None
        or seen.initialized
        or seen.retry is not None
    )
