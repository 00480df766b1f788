"""Waiting for a session's output to grow or for its end, whichever comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .session import Session


class Growth:
    """One reader's wait. Nothing is missed between reading to the end and waiting."""

    def __init__(self, session: Session, path: Path | None = None) -> None:
        self._grown = asyncio.Event()
        self._remove_end = session.on_ending(self._grown.set)
        self._remove = session.watch_growth(path or session.output, self._grown.set)

    async def wait(self, seconds: float | None = None) -> None:
        """Return when something was written, the session has ended, or the time is over."""
        try:
            await asyncio.wait_for(self._grown.wait(), seconds)
        except TimeoutError:
            return
        self._grown.clear()

    def poke(self) -> None:
        """End the wait for another reason."""
        self._grown.set()

    def close(self) -> None:
        self._remove()
        self._remove_end()
