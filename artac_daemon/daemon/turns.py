"""How the turn of one message went: read from the output, so it can be asked again at any time.

Claude merges messages that wait into one turn and then has one result for all of them. A newer
Claude's results name their messages (`user_message_uuids`, seen with 2.1.330). With an older one,
a message's result is the first one after the line in which Claude replays that message: it is
replayed when its turn takes it up (seen with 2.1.197, for single, queued, merged and interrupted
messages); of Claude Code's own commands see `message_hearing`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from ..model.message import Message, MessageState
from . import sending
from .growth import Growth
from .lines import LineReader
from .session import Session


@dataclass(frozen=True)
class Turn:
    """`outcome`: success, failed, interrupted, cancelled, or session-ended (before any result)."""

    uuid: str
    outcome: str
    text: str
    cost_usd: float | None
    offset: int  # behind the result's line
    message: str  # the state of the message; "" for one that is not known any more
    denied: tuple[str, ...] = ()  # the tools that were not permitted


_WHERE = {
    MessageState.QUEUED: "it is still queued, Claude was not given it yet",
    MessageState.DELIVERED: "it is with Claude, which has not begun with it",
    MessageState.TAKEN: "it is being worked on",
}


async def turn(session: Session, message_uuid: str, offset: int, seconds: float | None) -> Turn:
    """Wait for the result of a message, looking from that offset of the output on.

    ArtacError(TIMEOUT) when it has none in time: the message stays accepted, the turn goes on.
    ArtacError(NOT_FOUND) when the part of the output that would tell was dropped.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        reader = LineReader(session.output, offset)
    except FileNotFoundError:  # it ended before Claude was started
        return _without(session, message_uuid, "session-ended", 0)
    growth = Growth(session)
    forget = session.messages.on_cancelled(growth.poke)
    try:
        return await _search(session, reader, growth, message_uuid, deadline)
    finally:
        forget()
        growth.close()
        reader.close()


async def _search(
    session: Session,
    reader: LineReader,
    growth: Growth,
    message_uuid: str,
    deadline: float | None,
) -> Turn:
    taken_up = False
    ledger = session.messages.up_to_date()
    while True:
        known = ledger.find(message_uuid)
        if known is not None and known.state is MessageState.CANCELLED:
            return _without(session, message_uuid, "cancelled", reader.offset)
        ended = not session.live  # before reading: what was written before the end is read after it
        for offset, line in reader.lines():
            seen = stream.read(line)
            if seen.replayed == message_uuid:
                taken_up = True
            if seen.result is None:
                continue
            await session.claude_state.know(offset)
            named = known is not None and known.result == offset
            if named or _is_of(message_uuid, seen.result, taken_up):
                return _turn(message_uuid, seen.result, offset)
        if reader.dropped and not taken_up:
            raise ArtacError(
                ErrorKind.NOT_FOUND,
                f"the output that would tell how message {message_uuid} went was dropped",
            )
        if reader.more:
            await asyncio.sleep(0)
            continue
        if ended:
            return _without(session, message_uuid, "session-ended", reader.offset)
        rest = None if deadline is None else deadline - time.monotonic()
        if rest is not None and rest <= 0:
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"no result yet for message {message_uuid}: {_where(known)}",
            )
        await growth.wait(rest)


def _is_of(message_uuid: str, result: stream.Result, taken_up: bool) -> bool:
    if result.message_uuids is None:
        return taken_up
    return message_uuid in result.message_uuids


def _turn(message_uuid: str, result: stream.Result, offset: int) -> Turn:
    state = MessageState.ANSWERED.value
    told = (result.outcome, result.text, result.cost_usd, offset, state, result.denied)
    return Turn(message_uuid, *told)


def _without(session: Session, message_uuid: str, outcome: str, offset: int) -> Turn:
    """A turn that there is not."""
    state = sending.state_of(session, message_uuid)
    return Turn(message_uuid, outcome, "", None, offset, state)


def _where(known: Message | None) -> str:
    words = _WHERE.get(known.state, "") if known is not None else ""
    return words or "it was accepted and goes on"
