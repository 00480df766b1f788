"""A session for one prompt: ended when its turn is over, by whichever backend runs then.

It is the backend's to do, so that a client that was killed leaves nothing running for ever.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ..model.session import State
from .session import Session

DONE, OVERDUE = "done", "overdue"


async def end_after_turn(session: Session, end: Callable[[str], Awaitable[None]]) -> None:
    """Return when the session has ended; `end` is called once, with why it is to."""
    while session.live:
        rest = _rest(session)
        if _is_over(session):
            await end(DONE)
            return
        if rest is not None and rest <= 0:
            await end(OVERDUE)
            return
        await session.changed(rest)


def _is_over(session: Session) -> bool:
    """Claude is at rest, and neither the prompt nor anything sent after it waits for a result."""
    return session.state is State.IDLE and not session.messages.ledger.unfinished()


def _rest(session: Session) -> float | None:
    """The seconds that it still has."""
    limit = session.spec.turn_timeout
    return None if limit is None else session.spec.created_at + limit - time.time()
