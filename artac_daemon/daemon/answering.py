"""Permission requests of all sessions: telling of them, showing and answering them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..claude import permissions as claude
from ..claude import questions, stream
from ..model.errors import ArtacError, ErrorKind
from ..model.permission import ALL_SUGGESTIONS, BYPASS, Outcome, Reply
from ..model.session import Kind, State
from .permissions import Entry
from .session import Session

log = logging.getLogger("artac.permissions")

# Claude says that it waits just before it says what for.
_SAID_SOON = 2.0


def tell(session: Session, entry: Entry) -> None:
    """Tell of a request that is new, or settled. Its input is nobody's but the answerer's."""
    fields: dict[str, Any] = {"request": entry.id, "tool": entry.asked.tool}
    if entry.outcome is None:
        session.tell("permission-asked", **fields)
    else:
        outcome = entry.outcome.value
        session.tell("permission-settled", **fields, outcome=outcome, by=entry.by or None)


async def listed(sessions: Iterable[Session], everything: bool) -> list[dict[str, Any]]:
    """What waits in those sessions, oldest first; everything: what was settled, too."""
    found = []
    for session in sessions:
        if not session.live:
            continue
        if session.state is State.NEEDS_PERMISSION and not session.permissions.waiting():
            await session.changed(_SAID_SOON)
        table = session.permissions
        found += [view(session, e) for e in (table.all() if everything else table.waiting())]
    return sorted(found, key=lambda item: float(item["since"]))


def view(session: Session, entry: Entry) -> dict[str, Any]:
    """A request in the API's form."""
    return {
        "session": session.spec.id,
        "name": session.spec.name,
        "request": entry.id,
        "request_id": entry.asked.request_id,
        "tool": entry.asked.tool,
        "input": entry.asked.input,
        "blocked_path": entry.asked.blocked_path or None,
        "suggestions": list(entry.asked.suggestions),
        "since": entry.since,
        "outcome": entry.outcome.value if entry.outcome else None,
        "by": entry.by or None,
    }


async def answer(session: Session, reference: str, reply: Reply, by: str) -> Entry:
    """Answer a request once; done when the keeper has written the answer.

    ArtacError(CONFLICT) for one that was answered, (NOT_FOUND) for one that is gone.
    """
    session.must_live("answer a request of")
    session.must_have(Kind.HEADLESS, "answer a request of")
    table = session.permissions
    entry = table.find(reference)
    _must_wait(entry)
    request_id = entry.asked.request_id
    if reply.allow:
        chosen = _chosen(session, entry, reply.always)
        outcome, content = Outcome.ALLOWED, claude.allow(_input(entry, reply.answers), chosen)
    else:
        outcome, content = Outcome.DENIED, claude.deny(reply.reason, reply.interrupt)
    if request_id in table.answering:
        raise _answered(replace(entry, by=table.answering[request_id]))
    # By that key the keeper knows the request, whichever backend asks it to write an answer.
    key, line = f"permission-{request_id}", stream.response(request_id, content)
    table.answering[request_id] = by
    try:
        written = await session.request("write", key=key, line=line)
        if written.get("result") == "duplicate":
            # An earlier backend's answer, of which the output does not tell yet.
            raise _answered(replace(table.find(request_id), by=""))
        # Claude repeats an answer. Where it has done so by now, its own words tell the state, too.
        unheard = table.find(request_id).outcome is None
        table.settle(request_id, outcome)
    finally:
        del table.answering[request_id]
    settled = table.find(request_id)
    if settled.outcome is Outcome.WITHDRAWN:
        _must_wait(settled)
    if unheard:
        session.claude_state.goes_on()
    extra = session.about("permission")
    log.info("%s %s (%s) by %s", entry.asked.tool, outcome, entry.id, by, extra=extra)
    return settled


async def recall(session: Session) -> None:
    """Have Claude say what it waits for, in case its output does not tell it any more."""
    # In the middle of a turn, too, this costs 20 KB of output and disturbs nothing.
    try:
        await session.control(stream.initialize_again)
    except ArtacError as error:
        log.info("%s", error.message, extra=session.about("permission"))


def _must_wait(entry: Entry) -> None:
    if entry.outcome is Outcome.WITHDRAWN:
        raise ArtacError(
            ErrorKind.NOT_FOUND, f"request {entry.id} is gone: Claude does not ask it any more"
        )
    if entry.outcome is not None:
        raise _answered(entry)


def _answered(entry: Entry) -> ArtacError:
    what = f"was {entry.outcome}" if entry.outcome else "was answered"
    by = f" by {entry.by}" if entry.by else ""
    return ArtacError(ErrorKind.CONFLICT, f"request {entry.id} {what}{by} already")


def _input(entry: Entry, answers: Sequence[str]) -> Mapping[str, Any]:
    """What the tool is to run with: without answers what Claude has asked for."""
    if not answers:
        return entry.asked.input
    asked = questions.of(entry.asked.tool, entry.asked.input)
    if len(answers) != len(asked):
        raise ArtacError(
            ErrorKind.USAGE,
            f"answers: request {entry.id} asks {len(asked)} questions, "
            f"and {len(answers)} are answered",
        )
    return questions.answered(entry.asked.input, asked, answers)


def _chosen(session: Session, entry: Entry, always: Sequence[int]) -> list[dict[str, Any]]:
    there = entry.asked.suggestions
    numbers = range(1, len(there) + 1) if always == ALL_SUGGESTIONS else always
    for number in numbers:
        if not 1 <= number <= len(there):
            raise ArtacError(
                ErrorKind.USAGE,
                f"always: request {entry.id} has no suggestion {number}; it has {len(there)}",
            )
    chosen = [dict(there[number - 1]) for number in numbers]
    if any(map(claude.bypasses, chosen)) and session.spec.permission_mode != BYPASS:
        raise ArtacError(
            ErrorKind.DENIED,
            f"always: a suggestion would set {BYPASS}, which only a root's policy may",
        )
    return chosen
