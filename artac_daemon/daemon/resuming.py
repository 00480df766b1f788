"""Taking up the conversation of an ended session, in a session of its own.

The old one keeps its record and its end. Nothing of it may run any more, nobody else may have the
conversation, and what was cut off is told and not run again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..claude import command, conversation
from ..host import census, workdir
from ..host import processes as host
from ..host.message_ids import MessageId
from ..model.census import session_cgroup
from ..model.errors import ArtacError, ErrorKind
from ..model.permission import BYPASS
from ..model.reaping import Wanted
from ..model.session import (
    Identity,
    Kind,
    LaunchRequest,
    Placement,
    ResumeRequest,
    SessionSpec,
)
from . import lineage, message_scan, past, policies, processes, reaping
from .admission import WhileAsked, always_asked
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.session")

# A keeper ends what its session has left before it goes itself (seconds).
_LEAVING = 15.0


@dataclass(frozen=True)
class Resumed:
    session: Session
    before: Session
    handed_down: int  # messages that Claude had not begun with, and that it is given now


@dataclass(frozen=True)
class _Found:
    """What is there of a conversation."""

    past: past.Past
    resumed: bool  # False: nothing was said, so it is begun anew


async def resume(
    sessions: Sessions,
    old: Session,
    asked: ResumeRequest,
    by: str,
    while_asked: WhileAsked = always_asked,
) -> Resumed:
    """Start a session with the conversation of that one, or of the last that had it.

    ArtacError(CONFLICT) where it cannot be taken up: the message says why.
    """
    old = lineage.latest(old, {session.spec.id: session for session in sessions.all()})
    _check(sessions, old, asked)
    placement, persistent = await _place(sessions, old)
    await _make_sure_gone(sessions, old, by)
    request = _request(sessions, old, asked)
    found = await asyncio.to_thread(_look, sessions, old, request)
    _check_holders(sessions, old, found.past.conversation)
    request = replace(request, resumed=found.resumed)

    def spec() -> SessionSpec:
        # Others may have waited in line for the same, and come first.
        if after := old.succession.successor:
            raise _refused(old, f"it has been resumed as {after} meanwhile")
        _check_holders(sessions, old, found.past.conversation)
        session_id = sessions.store.new_id()
        return replace(
            old.spec,
            id=session_id,
            name=request.name or session_id,
            kind=request.kind,
            placement=placement,
            persistent=persistent,
            claude_session_id=found.past.conversation,
            created_at=time.time(),
            # Of an artac exec: its conversation is gone on with by somebody.
            one_shot="",
            turn_timeout=None,
            deny_permissions=False,
            boot_id=host.boot_id(),
            denied_tools=_denied(sessions, old),
            env_names=tuple(sorted(request.env)),
            created_by=by,
            resumes=old.spec.id,
        )

    handed_down = 0

    async def note(session: Session) -> None:
        # That of one which never ran is still what was cut off.
        session.succession.interrupted = found.past.interrupted or (
            None if found.past.said else old.succession.interrupted
        )
        session.succession.anew = not found.resumed
        session.succession.attempts = asked.attempts
        session.note_succession()
        nonlocal handed_down
        handed_down = await _hand_down(old, session)

    session = await sessions.start(request, spec, while_asked, note)
    old.succession.successor = session.spec.id
    old.succession.due, old.succession.due_why = None, ""
    try:
        old.note_succession()
    except OSError as error:  # the new one's record tells the same
        log.warning("could not be noted: %s", error, extra=old.about("resumed"))
    log.info("session %s resumed", old.spec.id, extra=session.about("resumed", MessageId.RESUMED))
    session.tell("resumed", resumes=old.spec.id, by=by, automatic=bool(asked.attempts))
    session.accepted()
    return Resumed(session, old, handed_down)


async def _hand_down(old: Session, new: Session) -> int:
    """Have the messages that Claude never began with accepted by the new one, before it starts.

    They are on disk then, so a backend that dies in the middle delivers them when it is back. How
    many there are.
    """
    if not old.spec.kind is new.spec.kind is Kind.HEADLESS:
        return 0
    left = await asyncio.to_thread(message_scan.undelivered, old.directory)
    for message in left:
        await new.messages.accept(message.uuid, message.text, message.by, 0)
    return len(left)


def _refused(old: Session, why: str) -> ArtacError:
    return ArtacError(ErrorKind.CONFLICT, f"session {old.spec.id} cannot be resumed: {why}")


def _check(sessions: Sessions, old: Session, asked: ResumeRequest) -> None:
    spec = old.spec
    if old.live:
        raise ArtacError(
            ErrorKind.CONFLICT, f"session {spec.id} ({spec.name}) runs: there is nothing to resume"
        )
    if spec.kind is Kind.ADOPTED:
        why = "it was adopted, and artac does not know its conversation (claude --resume lists it)"
        raise _refused(old, why)
    if spec.kind is Kind.PIPED:
        raise _refused(old, "its program alone has its arguments, and can resume it with --resume")
    command.check_args(spec.claude_args)
    missing = sorted(set(spec.env_names) - set(asked.env))
    if missing and not asked.without_env:
        again = " ".join(f"--env {name}" for name in missing)
        raise ArtacError(
            ErrorKind.USAGE,
            f"session {spec.id} was started with variables whose values artac does not keep: "
            f"give them again ({again}), or resume it with --without-env",
        )
    try:
        real = workdir.check(spec.cwd, sessions.settings.allowed_roots)
    except ArtacError as error:
        if error.kind is ErrorKind.DENIED:
            raise
        raise _refused(old, error.message) from None
    if real != spec.cwd:
        why = f"its working directory {spec.cwd} is now {real}, and Claude keeps them apart"
        raise _refused(old, why)


async def _place(sessions: Sessions, old: Session) -> tuple[Placement, bool]:
    """As any new session, but persistent if the old one was."""
    persistent = sessions.settings.persist_claude_sessions or old.spec.persistent
    placement = sessions.placement()
    if persistent and placement is Placement.SERVICE:
        await sessions.need_user_manager()
        placement = Placement.SCOPE
    return placement, persistent


def _request(sessions: Sessions, old: Session, asked: ResumeRequest) -> LaunchRequest:
    spec, granted = old.spec, old.granted
    limits: Mapping[str, Any] = {}
    if granted is not None:
        limits = {key: getattr(granted.limits, key) for key in sorted(granted.asked)}
    name = asked.name
    if not name and spec.name != spec.id:
        taken = {word for live in sessions.live() for word in (live.spec.name, live.spec.id)}
        name = "" if spec.name in taken else spec.name
    return LaunchRequest(
        cwd=spec.cwd,
        kind=asked.kind or spec.kind,
        name=name,
        env=asked.env,
        size=asked.size,
        limits=limits,
        queue=asked.queue,
        continue_interrupted=asked.continue_interrupted,
    )


def _denied(sessions: Sessions, old: Session) -> tuple[str, ...]:
    """What it may not do: as it was, and what its directory's policy denies by now."""
    spec = old.spec
    asked = LaunchRequest(cwd=spec.cwd)
    terms = policies.terms(sessions.settings, asked, spec.cwd, os.geteuid())
    if spec.permission_mode == BYPASS and terms.permission_mode != BYPASS:
        raise ArtacError(
            ErrorKind.DENIED,
            f"session {old.spec.id} had {BYPASS}, which no policy gives to {spec.cwd} any more",
        )
    return tuple(dict.fromkeys((*spec.denied_tools, *terms.denied_tools)))


# Nobody else


async def _make_sure_gone(sessions: Sessions, old: Session, by: str) -> None:
    keeper = old.keeper or sessions.store.read(old.spec.id).keeper
    if keeper is not None and not await _gone(keeper):
        raise _refused(old, f"its keeper (pid {keeper.pid}) is still there")
    left = await _left(sessions, old)
    inside = {identity for identity, cgroup in left.items() if _is_in(cgroup, old)}
    if inside:
        await reaping.reap(sessions, Wanted(session=old.spec.id), inside, by)
        left = await _left(sessions, old)
    if left:
        pids = ", ".join(str(pid) for pid, _ in sorted(left))
        why = f"processes that it started are still there (pid {pids})"
        raise _refused(old, f"{why}; `artac reap {old.spec.id}` shows and ends them")


async def _gone(keeper: Identity) -> bool:
    if not host.is_alive(keeper):
        return True
    gone = asyncio.Event()
    watch = host.ExitWatch(keeper.pid, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), _LEAVING)
    except TimeoutError:
        return not host.is_alive(keeper)
    finally:
        watch.cancel()
    return True


async def _left(sessions: Sessions, old: Session) -> dict[tuple[int, int], str]:
    """What the old session has left: each process's identity, and its cgroup."""
    found = await processes.survey(sessions)
    return {
        row.process.identity: row.process.cgroup
        for row in found.orphans
        if row.session == old.spec.id
    }


def _is_in(cgroup: str, old: Session) -> bool:
    home = session_cgroup(cgroup)
    return home is not None and home.session == old.spec.id


def _check_holders(sessions: Sessions, old: Session, wanted: str) -> None:
    for session in sessions.live():
        if session.spec.claude_session_id == wanted:
            why = f"session {session.spec.id} ({session.spec.name}) has its conversation"
            raise _refused(old, why)


def _look(sessions: Sessions, old: Session, request: LaunchRequest) -> _Found:
    spec = old.spec
    found = past.of(old.directory, spec, old.end.facts.at if old.end else 0.0)
    env = command.environment(
        os.environ,
        sessions.session_environment,
        sessions.settings.session_env,
        request.env,
        spec,
    )
    config = conversation.config_directory(env, spec.cwd)
    if holder := _foreign(config, found.conversation):
        raise _refused(old, f"{holder} has its conversation: end that first")
    there = conversation.transcript(config, spec.cwd, found.conversation)
    before = spec.resumes != "" and not old.succession.anew
    if there.there:
        return _Found(found, True)
    if there.elsewhere:
        why = f"Claude has its conversation for another directory ({there.elsewhere})"
        raise _refused(old, why)
    if found.said or before:
        raise _refused(
            old,
            f"its transcript is gone ({there.path}): removed, by Claude's own clean-up too "
            "(cleanupPeriodDays in its settings), or Claude ended before it had written it",
        )
    return _Found(found, False)


def _foreign(config: str, wanted: str) -> str:
    """A process of others that has the conversation; "" for none."""
    for entry in conversation.registered(config, wanted):
        identity = host.identify(entry.pid)
        if identity is not None and identity.start_time == entry.start_time:
            return f"process {entry.pid}"
    for process in census.scan():
        if conversation.takes(process.words, wanted):
            return f"process {process.pid}"
    return ""
