"""Letting sessions start: now, or in the order of the requests that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from ..host import usage
from ..model.admission import Readings, refusal
from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from ..model.quantities import format_duration
from ..model.settings import Settings
from .change import Change

# Only the first in the queue looks, and only while there is one. Nothing can be waited on:
# no event tells of free memory; a PSI trigger tells of pressure that rises and never of its fall,
# and Debian 12's kernel gives none without CAP_SYS_RESOURCE. PSI's averages are made every 2 s.
_LOOK_EVERY = 2.0

# Awaits something for as long as whoever asked is still there.
WhileAsked = Callable[[Coroutine[Any, Any, None]], Awaitable[None]]


async def always_asked(work: Coroutine[Any, Any, None]) -> None:
    """For who cannot go away."""
    await work


class Admission:
    """The gate before every start. `judge` says why none may start now, or None."""

    def __init__(self, judge: Callable[[], str | None]) -> None:
        self.closed = False  # the backend is stopping
        self._judge = judge
        self._waiting: list[object] = []
        self._starting: object | None = None
        self._change = Change()

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Let nobody in any more; who waits is told so."""
        self.closed = True
        self._change.tell()

    def look_again(self) -> None:
        """There may be room by now."""
        self._change.tell()

    @asynccontextmanager
    async def turn(
        self, seconds: float | None, longest: int, while_asked: WhileAsked
    ) -> AsyncIterator[None]:
        """Be let in, and hold the place until the start is over. None seconds: now or not at all.

        NotAdmitted when it cannot be now; ArtacError(LIMIT) when the queue has `longest` waiting
        or the time is over, (UNAVAILABLE) when the backend stops meanwhile.
        """
        reason = self.reason()
        if reason is None:
            yield
            return
        if seconds is None:
            raise NotAdmitted(reason)
        if len(self._waiting) >= longest:
            raise ArtacError(
                ErrorKind.LIMIT,
                f"not queued: {len(self._waiting)} requests are waiting, max_queue allows {longest}"
                f" ({reason})",
            )
        mine = object()
        self._waiting.append(mine)
        try:
            await while_asked(self._come_first(mine, seconds))
            self._waiting.remove(mine)
            self._starting = mine
            yield
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if self._starting is mine:
                self._starting = None
            self._change.tell()

    def reason(self) -> str | None:
        """Why nobody is let in at once now; None where somebody would be."""
        if self._waiting:
            first = self._judge() or "they are about to start"
            plural = "request is" if len(self._waiting) == 1 else "requests are"
            return f"{len(self._waiting)} {plural} waiting before this one ({first})"
        return self._judge()

    async def _come_first(self, mine: object, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            if self.closed:
                raise ArtacError(
                    ErrorKind.UNAVAILABLE, "the backend is stopping: what was queued is not started"
                )
            # One start from the queue at a time, so that each is among the figures for the next.
            first = self._waiting[0] is mine and self._starting is None
            reason = self._judge() if first else "others were before it"
            if reason is None:
                return
            rest = deadline - loop.time()
            if rest <= 0:
                raise ArtacError(
                    ErrorKind.LIMIT,
                    f"not started within {format_duration(seconds)} in the queue: {reason}",
                )
            await self._change.wait(min(rest, _LOOK_EVERY) if first else rest)


def judge(settings: Settings, running: int) -> str | None:
    """Why no session may start now beside those that run; None when one may."""
    return refusal(settings, running, readings())


def readings() -> Readings:
    """What the machine says of its memory now."""
    available, total = usage.memory_available()
    pressure = usage.pressure("/proc/pressure/memory")
    return Readings(available, total, None if pressure is None else pressure.full)
