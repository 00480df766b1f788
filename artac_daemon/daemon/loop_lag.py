"""How late the event loop comes to what it has to do."""

from __future__ import annotations

import asyncio
import logging

from ..host.journal import explained
from ..host.message_ids import MessageId

log = logging.getLogger("artac")

# Above this a client notices.
_WORTH_A_WORD = 5.0


class LoopLag:
    """Measured at each beat of the watchdog; without one there is no beat and no figure."""

    def __init__(self) -> None:
        self.seconds: float | None = None  # at the latest beat
        self._due: float | None = None

    def beat(self, interval: float) -> None:
        """It is time for a beat; the next one is that many seconds from now."""
        now = asyncio.get_running_loop().time()
        if self._due is not None:
            self.seconds = max(0.0, now - self._due)
            if self.seconds > _WORTH_A_WORD:
                log.warning(
                    "the event loop was held up for %.1f s",
                    self.seconds,
                    extra=explained(MessageId.LOOP_LATE),
                )
        self._due = now + interval
