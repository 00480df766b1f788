"""Messages to a headless session: sending one, showing those there are, taking one back."""

from __future__ import annotations

import time
from typing import Any

from ..claude import stream
from ..keeper.wire import WireError, encode
from ..model.errors import ArtacError, ErrorKind
from ..model.message import Ledger, Message, MessageState
from ..model.session import Kind
from .lines import extent
from .message_hearing import cancel_id
from .session import Session

# Claude answers in the middle of a turn, too, but not while it does not read its input.
_WRITTEN, _ANSWERED = 5.0, 10.0
# A keeper takes a message within a millisecond, unless Claude does not read.
_DELIVERED = 0.2
# Characters up to which a message is no question for the keeper's wire.
_SMALL = 1024 * 1024


async def send(session: Session, text: str, message_uuid: str, by: str) -> dict[str, Any]:
    """Accept a message: it is on disk when this returns, and delivered in its turn.

    ArtacError: NOT_RUNNING, USAGE, LIMIT (too large, or too much waits), FAILED (a full disk).
    """
    session.must_live("send a message to")
    session.must_have(Kind.HEADLESS, "send a message to")
    if session.stop_request is not None:
        raise ArtacError(
            ErrorKind.NOT_RUNNING,
            f"session {session.spec.id} is being stopped: it takes no message any more",
        )
    _must_fit(text, message_uuid)
    new = await session.messages.accept(message_uuid, text, by, extent(session.output).size)
    message = session.messages.find(message_uuid)
    assert message is not None
    if new:
        session.tell("message-accepted", message=message_uuid, by=by)
        session.accepted()
        await _soon_delivered(session, message)
    return {
        "uuid": message_uuid,
        "offset": message.offset,
        "duplicate": not new,
        "state": _state(session, message).value,
    }


async def _soon_delivered(session: Session, message: Message) -> None:
    """Where nothing is in the way, Claude has it before its sender hears of it.

    Then a backend that dies now delays nothing. What is in the way is not waited for.
    """
    deadline = time.monotonic() + _DELIVERED
    while message.state is MessageState.QUEUED and session.delivery.at_work:
        if (rest := deadline - time.monotonic()) <= 0:
            return
        await session.changed(rest)


async def accept_prompt(session: Session, prompt: str, message_uuid: str, by: str) -> None:
    """Accept the first message of a session that is not started yet."""
    _must_fit(prompt, message_uuid)
    await session.messages.accept(message_uuid, prompt, by, 0, opening=True)


def listed(session: Session, everything: bool) -> list[dict[str, Any]]:
    """The messages that Claude has not begun with, in order; everything: all that are known."""
    ledger = _ledger(session)
    return [view(session, message) for message in ledger if everything or message.untaken]


def show(session: Session, message_uuid: str) -> dict[str, Any]:
    """One message. ArtacError(NOT_FOUND) for one that is not known, or not any more."""
    return view(session, _find(session, message_uuid))


def state_of(session: Session, message_uuid: str) -> str:
    """The state of a message; "" for one that is not known, or not any more."""
    message = session.messages.up_to_date().find(message_uuid)
    return "" if message is None else _state(session, message).value


def view(session: Session, message: Message) -> dict[str, Any]:
    """A message in the API's form."""
    return {
        "uuid": message.uuid,
        "state": _state(session, message).value,
        "since": message.since,
        "at": message.at,
        "by": message.by or None,
        "head": message.head,
        "outcome": message.outcome or None,
        "cancelled_by": message.cancelled_by or None,
    }


async def cancel(session: Session, message_uuid: str, by: str) -> Message:
    """Take a message back that Claude has not begun with; that is on disk when this returns.

    ArtacError: NOT_FOUND, CONFLICT (Claude has begun with it, or it was cancelled before),
    NOT_RUNNING (the session has ended), TIMEOUT (Claude does not tell), FAILED (a full disk).
    """
    message = _find(session, message_uuid)
    _must_wait(session, message)
    on_its_way = session.delivery.handing_over == message_uuid
    if message.state is MessageState.QUEUED and not on_its_way:
        await session.messages.drop(message_uuid, by)
    else:
        await _ask_back(session, message, by)
    session.tell("message-cancelled", message=message_uuid, by=by)
    return message


async def _ask_back(session: Session, message: Message, by: str) -> None:
    messages = session.messages
    messages.asked_back(message.uuid, by)
    line = stream.cancel(cancel_id(message.uuid), message.uuid)
    deadline = time.monotonic() + _ANSWERED
    try:
        await session.request("write", _WRITTEN, key="", line=line)
    except ArtacError as error:
        if error.kind is not ErrorKind.UNAVAILABLE or not session.connected:
            raise
        deadline = 0.0  # it is on its way, behind what Claude does not read
    while message.state is not MessageState.CANCELLED:
        _must_wait(session, message)
        answer = messages.answer_to_cancel(message.uuid)
        if answer is not None and answer.error:
            raise _conflict(message, f"this Claude Code does not give it back: {answer.error}")
        if answer is not None and answer.cancelled is False and not messages.tells_lifecycle:
            raise _conflict(message, "Claude has it in its queue no more, and begins with it")
        rest = deadline - time.monotonic()
        if rest <= 0:
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"Claude was asked to give message {message.uuid} back and has not answered; "
                f"artac messages {session.spec.id} --all shows what became of it",
            )
        await session.changed(rest)
    await messages.on_disk()


def _must_wait(session: Session, message: Message) -> None:
    state = _state(session, message)
    if state is MessageState.CANCELLED:
        raise _conflict(message, "it is cancelled already")
    if state is MessageState.UNDELIVERED:
        raise ArtacError(
            ErrorKind.NOT_RUNNING,
            f"session {session.spec.id} has ended, and message {message.uuid} was not delivered",
        )
    if state is MessageState.TAKEN:
        raise _conflict(
            message, f"Claude has begun with it; artac interrupt {session.spec.id} ends its turn"
        )
    if state is MessageState.ANSWERED:
        raise _conflict(message, "it is answered already")


def _conflict(message: Message, why: str) -> ArtacError:
    return ArtacError(ErrorKind.CONFLICT, f"message {message.uuid} cannot be cancelled: {why}")


def _find(session: Session, message_uuid: str) -> Message:
    message = _ledger(session).find(message_uuid)
    if message is None:
        raise ArtacError(
            ErrorKind.NOT_FOUND,
            f"session {session.spec.id} knows of no message {message_uuid}; "
            f"artac messages {session.spec.id} --all lists those it knows",
        )
    return message


def _ledger(session: Session) -> Ledger:
    session.refuse_adopted("list the messages of")
    if session.spec.kind is Kind.TERMINAL:
        raise ArtacError(
            ErrorKind.USAGE,
            f"session {session.spec.id} is a terminal session: what is sent is typed at once and "
            f"Claude itself shows what it has queued: artac screen {session.spec.id}",
        )
    return session.messages.up_to_date()


def _state(session: Session, message: Message) -> MessageState:
    if message.untaken and not session.live:
        return MessageState.UNDELIVERED
    return message.state


def _must_fit(text: str, message_uuid: str) -> None:
    if len(text) < _SMALL:
        return
    try:
        encode({"op": "write", "id": 0, "key": "", "line": stream.user_message(text, message_uuid)})
    except WireError as error:
        raise ArtacError(ErrorKind.LIMIT, str(error)) from None
