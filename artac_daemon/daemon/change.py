"""Waiting for the next change of something, by any number of tasks."""

from __future__ import annotations

import asyncio


class Change:
    """Wakes everyone who waits, each time; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def tell(self) -> None:
        """Something has changed."""
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None

    async def wait(self, seconds: float | None) -> None:
        """Return at the next change, or when the time is over."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        try:
            # Python 3.11's wait_for() loses a cancellation that comes together with the change.
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._next)
        except TimeoutError:
            return
