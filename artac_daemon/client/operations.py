"""What a client can do, as procedures with typed results: one for each method.

To add a method: a function here, and a line in `sync.Client` and `aio.AsyncClient`. A test compares
the two.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..model.errors import ArtacError, ErrorKind
from . import permissions as asking
from . import reading, streamed, turns, waiting
from .coming_back import outlast, persist
from .connection import QUICK
from .failures import ConnectionLost
from .http1 import quote
from .results import Accepted, Health, Message, Permission, Screen, Session, Turn
from .steps import Ask, Procedure, Reading
from .streamed import ClaudeEvent, Event, Output
from .targets import session_path, with_query

T = TypeVar("T")


class Stream(Generic[T]):
    """A reading, and what becomes of what it gives."""

    def __init__(self, reading: Reading, unpack: Callable[[Any], Iterable[T]]) -> None:
        self.reading = reading
        self.unpack = unpack


def health() -> Procedure[Health]:
    return Health.of((yield Ask("GET", "/v1/health", seconds=QUICK)))


def sessions(everything: bool, patience: float) -> Procedure[list[Session]]:
    target = with_query("/v1/sessions", all=1 if everything else None)
    return [Session.of(raw) for raw in (yield from _get(target, patience))["sessions"]]


def session(reference: str, patience: float) -> Procedure[Session]:
    return Session.of((yield from _get(session_path(reference), patience))["session"])


def run(
    patience: float,
    *,
    cwd: str | os.PathLike[str] | None,
    prompt: str | None,
    allowed_tools: Sequence[str],
    claude_args: Sequence[str],
    limits: Mapping[str, str] | None,
    env: Mapping[str, str] | None,
    restart: Sequence[str],
    **given: Any,
) -> Procedure[Session]:
    uuid = "" if prompt is None else turns.new_uuid()
    body = {
        "cwd": os.path.abspath("." if cwd is None else os.fspath(cwd)),
        "prompt": prompt,
        "prompt_uuid": uuid or None,
        "allowed_tools": list(allowed_tools),
        "claude_args": list(claude_args),
        "limits": dict(limits or {}),
        "env": dict(env or {}),
        "restart": list(restart),
        **given,
    }
    body = {key: value for key, value in body.items() if value not in (None, [], {})}
    answer = yield from _post("/v1/sessions", body, patience)
    return Session.of(answer["session"], uuid)


def start(
    name: str, env: Mapping[str, str] | None, queue: float | None, patience: float
) -> Procedure[Session]:
    body: dict[str, Any] = {"env": dict(env or {}), "queue": queue}
    answer = yield from _post(f"/v1/declared/{quote(name)}/start", body, patience)
    prompt = answer["prompt"]
    return Session.of(answer["session"], prompt["uuid"] if prompt else "")


def resume(reference: str, body: dict[str, Any], patience: float) -> Procedure[Session]:
    answer = yield from _post(session_path(reference, "resume"), body, patience)
    return Session.of(answer["session"])


def messages(reference: str, everything: bool, patience: float) -> Procedure[list[Message]]:
    target = with_query(session_path(reference, "messages"), all=1 if everything else None)
    return [Message.of(raw) for raw in (yield from _get(target, patience))["messages"]]


def cancel(reference: str, uuid: str, patience: float) -> Procedure[Message]:
    # By id: a name may be another's by the time of a second try.
    found = yield from session(reference, patience)
    target = session_path(found.id, "messages", uuid)
    try:
        taken_back = yield from persist(Ask("DELETE", target), patience, repeatable=False)
        return Message.of(taken_back["message"])
    except ConnectionLost as lost:
        yield from outlast(lost, patience)
    message = Message.of((yield from _get(target, patience))["message"])
    if message.state == "cancelled":  # the first time has done it
        return message
    taken_back = yield from persist(Ask("DELETE", target), patience, repeatable=False)
    return Message.of(taken_back["message"])


def send(reference: str, text: str, uuid: str | None, patience: float) -> Procedure[Accepted]:
    chosen = uuid or turns.new_uuid()
    return Accepted.of((yield from turns.hand_over(reference, text, chosen, patience)))


def turn(
    reference: str, uuid: str, timeout: float | None, offset: int | None, patience: float
) -> Procedure[Turn]:
    if not uuid:
        raise ArtacError(
            ErrorKind.USAGE, "the uuid of a message is missing; without a prompt there is no turn"
        )
    return Turn.of((yield from turns.await_turn(reference, uuid, offset, timeout, patience)))


def ask(
    reference: str, text: str, timeout: float | None, uuid: str | None, patience: float
) -> Procedure[Turn]:
    began = time.monotonic()
    shown = yield from _get(session_path(reference), patience)
    if shown["session"]["kind"] == "terminal":
        # Before anything is sent: its turns have no result that could be waited for.
        raise ArtacError(
            ErrorKind.USAGE,
            f"nothing was sent: session {reference} is a terminal session, and its turns have no "
            "result; send() it, then wait() for it to be idle",
        )
    chosen = uuid or turns.new_uuid()
    found = shown["session"]["id"]
    accepted = yield from turns.hand_over(found, text, chosen, patience)
    offset = yield from turns.offset_of(accepted, patience)
    left = None if timeout is None else max(0.0, timeout - (time.monotonic() - began))
    return Turn.of((yield from turns.await_turn(found, chosen, offset, left, patience)))


def interrupt(reference: str, patience: float) -> Procedure[Session]:
    # Once more could end the next turn, so this is not repeated when its answer was lost.
    answer = yield from _post(session_path(reference, "interrupt"), None, patience)
    return Session.of(answer["session"])


def stop(reference: str, grace: float | None, patience: float) -> Procedure[Session]:
    return _end("stop", reference, grace, patience)


def kill(reference: str, patience: float) -> Procedure[Session]:
    return _end("kill", reference, None, patience)


def wait(
    reference: str, states: str | Iterable[str], timeout: float | None, patience: float
) -> Procedure[Session]:
    wanted = states if isinstance(states, str) else ",".join(states)
    return Session.of((yield from waiting.reach(reference, wanted, timeout, patience)))


def permissions(
    reference: str | None, everything: bool, patience: float
) -> Procedure[list[Permission]]:
    found = yield from asking.listed(reference, everything, patience)
    return [Permission.of(raw) for raw in found]


def answer(
    request: Permission | str, body: dict[str, Any], patience: float
) -> Procedure[Permission]:
    if isinstance(request, Permission):
        session_id, request_id = request.session, request.request_id
    else:
        known = yield from asking.listed(None, True, patience)
        found = asking.find(known, request)
        session_id, request_id = found["session"], found["request_id"]
    settled = yield from asking.answer(session_id, request_id, body, patience)
    return Permission.of(settled)


def screen(reference: str, patience: float) -> Procedure[Screen]:
    return Screen.of((yield from _get(session_path(reference, "screen"), patience))["screen"])


def remove(reference: str, force: bool, patience: float) -> Procedure[None]:
    found = yield from session(reference, patience)
    asked = Ask("DELETE", with_query(session_path(found.id), force=1 if force else None))
    try:
        yield from persist(asked, patience, repeatable=False)
        return
    except ConnectionLost as lost:
        yield from outlast(lost, patience)
    try:
        yield from persist(asked, patience, repeatable=True)
    except ArtacError as error:
        if error.kind is not ErrorKind.NOT_FOUND:  # the first time has done it
            raise


def cursor(patience: float) -> Procedure[str]:
    return reading.now(patience)


def output(
    reference: str, stream: str, offset: int, follow: bool, patience: float
) -> Stream[Output]:
    return Stream(
        _of_one(reference, patience, lambda i: reading.output(i, stream, offset, follow, patience)),
        streamed.written,
    )


def claude_events(
    reference: str, offset: int, follow: bool, patience: float
) -> Stream[ClaudeEvent]:
    return Stream(
        _of_one(reference, patience, lambda i: reading.claude_events(i, offset, follow, patience)),
        streamed.told_by_claude,
    )


def events(cursor: str | None, follow: bool, patience: float) -> Stream[Event]:
    return Stream(reading.life(cursor, follow, patience), streamed.happened)


def _of_one(reference: str, patience: float, read: Callable[[str], Reading]) -> Reading:
    """Reading of the session that is meant now, whatever has its name later."""
    found = yield from session(reference, patience)
    yield from read(found.id)


def _end(verb: str, reference: str, grace: float | None, patience: float) -> Procedure[Session]:
    # By id: a name may be another's by the time of a second try.
    found = yield from session(reference, patience)
    target = with_query(session_path(found.id, verb), grace=grace)
    try:
        return Session.of((yield from _post(target, None, patience))["session"])
    except ConnectionLost as lost:
        yield from outlast(lost, patience)
    try:
        again = Ask("POST", target)
        return Session.of((yield from persist(again, patience, repeatable=True))["session"])
    except ArtacError as error:
        if error.kind is not ErrorKind.NOT_RUNNING:  # the first time has done it
            raise
    return (yield from session(found.id, patience))


def _get(target: str, patience: float) -> Procedure[dict[str, Any]]:
    return persist(Ask("GET", target, seconds=QUICK), patience, repeatable=True)


def _post(target: str, body: dict[str, Any] | None, patience: float) -> Procedure[dict[str, Any]]:
    return persist(Ask("POST", target, body), patience, repeatable=False)
