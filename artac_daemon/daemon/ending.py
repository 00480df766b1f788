"""Ending a session: in order where Claude plays along, whole in any case.

The order matters. A plain SIGTERM in the middle of a tool leaves the tool's processes behind, an
end of input lets a turn run on, and SIGKILL loses what the transcript does not have yet: so the
turn is interrupted, the input ended, SIGTERM sent (Claude flushes on it), and the tree killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable

from ..claude import stream
from ..host import cgroups, processes
from ..host.message_ids import MessageId
from ..host.store import Store
from ..keeper.tree import descendants
from ..model.end import End, EndFacts
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, StopRequest
from .session import ANSWER_LIMIT, Session

log = logging.getLogger("artac.session")

# What `kill` leaves Claude to write down what it has.
_FLUSH = 0.5
_INTERRUPT_AGAIN = 1.0
# A terminal's program may take Esc for something else than the end of a turn.
_ESCAPING = 3.0


async def stop(session: Session, store: Store, by: str, why: str, grace: float) -> End:
    """End it in order: the turn, the input, the process, the tree; each within the grace."""
    end = await _stop(session, store, by, why, grace)
    await left(session)
    return end


async def kill(session: Session, store: Store, by: str) -> End:
    """End it now: Claude has a moment to flush its transcript, then the whole tree goes."""
    await _note(session, store, StopRequest(by, "kill", time.time()))
    await _try(session, session.request("signal", number=int(signal.SIGTERM)))
    await session.ended_within(_FLUSH)
    end = await _kill_tree(session)
    await left(session)
    return end


async def _stop(session: Session, store: Store, by: str, why: str, grace: float) -> End:
    await _note(session, store, StopRequest(by, why, time.time(), _limit(session, why)))
    if session.spec.kind is Kind.TERMINAL:
        # SIGTERM alone loses the answer up to there, and 2.1.197 leaves its tools behind.
        await _try(session, _quiet(session, min(grace, _ESCAPING)))
    if session.spec.kind is Kind.PIPED:
        # Its input is the program's: nothing is written there. SIGINT ends the turn and its tools.
        await _try(session, session.request("close-input"))
        await _try(session, session.request("signal", number=int(signal.SIGINT)))
        if await session.ended_within(grace):
            return _its_end(session)
    if session.spec.kind is Kind.HEADLESS:
        await _try(session, _quiet(session, grace))
        await _try(session, session.request("close-input"))
        if await session.ended_within(grace):
            return _its_end(session)
    await _try(session, session.request("signal", number=int(signal.SIGTERM)))
    if await session.ended_within(grace):
        return _its_end(session)
    return await _kill_tree(session)


def _limit(session: Session, why: str) -> float | None:
    """Of a stop by artac itself: the time after which it is to come."""
    asked = session.stop_request
    if asked is not None and asked.why == why:
        return asked.limit_seconds
    if why == "overdue":
        return session.spec.turn_timeout
    if why != "timeout" or session.granted is None:
        return None
    return session.granted.limits.idle_timeout


async def _try(session: Session, step: Awaitable[object]) -> None:
    """A step that cannot be taken is no reason not to take the next, which is harder."""
    try:
        await step
    except ArtacError as error:
        if session.live:
            log.warning("%s", error.message, extra=session.about("stop"))


async def _note(session: Session, store: Store, request: StopRequest) -> None:
    await session.begun()
    async with session.placing:  # from here on it is not moved any more
        if not session.live:
            what = f"session {session.spec.id} has ended already{session.resumed_as}"
            raise ArtacError(ErrorKind.NOT_RUNNING, what)
        extra = session.about("stop", MessageId.STOP_ASKED)
        log.info("stop asked by %s (%s)", request.by, request.why, extra=extra)
        session.tell("stop-asked", by=request.by, why=request.why)
        earlier = session.stop_request
        if earlier is not None and earlier.why == "kill" and request.why != "kill":
            return  # what is asked beside or after a kill makes nothing milder of it
        session.stop_request = request
        try:
            # On disk first: a backend that dies here finishes the stop when it is back. One after
            # the other: a kill asked for meanwhile is what the disk and the keeper hear last.
            await asyncio.to_thread(store.write_stop, session.spec.id, request)
        except OSError as error:
            # A full disk is a reason to stop sessions, not one to refuse it.
            log.error("the stop could not be noted: %s", error, extra=session.about("stop"))
    await _try(session, session.request("stop-asked", **request.to_json()))
    session.stopping()


async def _quiet(session: Session, grace: float) -> None:
    """Take back what waits and interrupt what runs, until Claude is idle or the grace is over.

    Once is not enough: what is queued behind a turn starts when that ends, and Claude does not
    interrupt a turn that is just about to start.
    """
    deadline = time.monotonic() + grace
    while session.claude_state.busy and session.live and (rest := deadline - time.monotonic()) > 0:
        for message_uuid in session.messages.take_unread():
            await session.control(stream.cancel, message_uuid, limit=rest)
        await session.interrupt(limit=rest)
        again = time.monotonic() + min(_INTERRUPT_AGAIN, rest)
        while session.claude_state.busy and session.live and (rest := again - time.monotonic()) > 0:
            await session.changed(rest)


async def _kill_tree(session: Session) -> End:
    await _try(session, session.request("kill-tree"))
    if session.connected:
        await session.ended_within(ANSWER_LIMIT)
    if session.live:
        await _kill_whole(session)
    return _its_end(session)


async def _kill_whole(session: Session) -> None:
    """The keeper does not do it: end everything with it."""
    _kill_with_keeper(session)
    if not await session.ended_within(ANSWER_LIMIT):
        await session.end_here(EndFacts(at=time.time(), stop=session.stop_request))


async def abandon(session: Session) -> None:
    """Make sure that nothing is left of a start that failed, whatever had come up of it."""
    if session.live:
        _kill_with_keeper(session)
        await left(session)


def _kill_with_keeper(session: Session) -> None:
    """End the whole tree at once, on the keeper's identity or a cgroup that was checked."""
    keeper = session.keeper
    if session.cgroup is not None:
        cgroups.thaw(session.cgroup)
        cgroups.kill(session.cgroup)
    elif keeper is not None and processes.is_alive(keeper):
        for pid in [*descendants(keeper.pid), keeper.pid]:
            _kill(pid)


async def left(session: Session) -> None:
    """Wait until the keeper, the last of a session, is gone: it leaves just after the end."""
    keeper = session.keeper
    if keeper is None or not processes.is_alive(keeper):
        return
    gone = asyncio.Event()
    watch = processes.ExitWatch(keeper.pid, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), ANSWER_LIMIT)
    except TimeoutError:
        log.warning("its keeper is still there", extra=session.about("stop"))
    finally:
        watch.cancel()


def _its_end(session: Session) -> End:
    if session.end is None:
        raise ArtacError(ErrorKind.FAILED, f"session {session.spec.id} could not be ended")
    return session.end


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
