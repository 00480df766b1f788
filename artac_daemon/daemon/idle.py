"""idle_timeout: the end of a session that has had nothing to do for so long."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ..model.session import State
from .session import Session

# Where a program does not tell what it does, what counts is its screen.
_QUIET = (State.IDLE, State.RUNNING)


def timeout_of(session: Session) -> float | None:
    """Seconds; a persistent session has a timeout only if it was asked for it by name."""
    granted = session.granted
    if granted is None or (session.spec.persistent and "idle_timeout" not in granted.asked):
        return None
    return granted.limits.idle_timeout


async def end_when_idle(session: Session, end: Callable[[], Awaitable[None]]) -> None:
    """Return when the session has ended, or has been idle for its timeout and `end` is done."""
    while session.live:
        limit, rest = timeout_of(session), None
        if limit is not None and session.state in _QUIET:
            # Every turn writes something, so a backend's absence does not count as rest; and what
            # a person types on a terminal is drawn, which Claude's idle screen by itself is not.
            rest = _last_output(session) + limit - time.time()
            if rest <= 0:
                await end()
                return
        await session.changed(rest)


def _last_output(session: Session) -> float:
    try:
        return session.output.stat().st_mtime
    except FileNotFoundError:
        return session.spec.created_at
