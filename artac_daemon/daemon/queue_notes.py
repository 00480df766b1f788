"""The messages that Claude notes as waiting, followed in a conversation's transcript."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ..claude import transcript_queue
from .lines import LineReader
from .session import Session


class QueueNotes:
    """Tells the text of each one that is noted from now on."""

    def __init__(self, session: Session, told: Callable[[str], None]) -> None:
        self._told = told
        self._session = session
        self._path = Path(session.claude_state.transcript)
        self._reader: LineReader | None = None
        self._unwatch: Callable[[], None] | None = None
        self._known = self._size()
        self.look()

    def look(self) -> None:
        """Look for a transcript that was not there yet: Claude makes it after its first message."""
        if self._reader is not None:
            return
        try:
            if not stat.S_ISREG(os.stat(self._path).st_mode):
                return
            self._reader = LineReader(self._path, self._known)
        except OSError:
            if self._unwatch is None and self._path.parent.is_dir():
                self._unwatch = self._session.watch_growth(self._path.parent, self.look)
            return
        if self._unwatch is not None:
            self._unwatch()
        self._unwatch = self._session.watch_growth(self._path, self._read)
        self._read()

    def close(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except OSError:
            return 0

    def _read(self) -> None:
        while self._reader is not None:
            for _, line in self._reader.lines():
                if (content := transcript_queue.queued(line)) is not None:
                    self._told(content)
            if not self._reader.more:
                return
