"""The end of an ended session's tree: its end is told before the last of it has gone."""

from __future__ import annotations

import asyncio

from ..host import cgroups, processes
from ..model.session import State
from . import ending
from .session import Session


async def gone(session: Session, states: frozenset[State], seconds: float) -> bool:
    """Whether it came to be in one of those states, and, if it has ended, has left nothing.

    Of a detached one: no keeper, which ends the tree before it leaves.
    """
    try:
        async with asyncio.timeout(seconds):
            await session.wait_for(states, None)
            if session.live:
                return True
            await ending.left(session)
            if session.cgroup is not None:
                await _emptied(session)
                return True
    except TimeoutError:
        return False
    return session.keeper is None or not processes.is_alive(session.keeper)


async def _emptied(session: Session) -> None:
    assert session.cgroup is not None
    changed = asyncio.Event()
    forget = session.watch_growth(session.cgroup / "cgroup.events", changed.set)
    try:
        while cgroups.populated(session.cgroup):
            await changed.wait()
            changed.clear()
    finally:
        forget()
