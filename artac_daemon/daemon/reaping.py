"""Ending processes that were shown to somebody, and no others.

A plan is made, shown and confirmed; then it is made again, and what is in both is ended. A session
that runs goes by its own end, so that this has its reason; everything else goes by pidfd.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from ..host import census as host
from ..host import cgroups
from ..host.held import Held
from ..host.journal import about
from ..model import reaping
from ..model.census import session_cgroup
from ..model.errors import ArtacError, ErrorKind
from ..model.reaping import Target, Wanted, Way
from ..model.session import Placement
from . import ending, processes
from .session import ANSWER_LIMIT
from .sessions import Sessions

log = logging.getLogger("artac.reaping")

# Between SIGTERM and SIGKILL, however long `stop_grace` is: somebody waits for it (seconds).
_LONGEST_GRACE = 10.0

Identity = tuple[int, int]  # pid and start time


async def show(sessions: Sessions, wanted: Wanted) -> list[dict[str, Any]]:
    """What would be ended, and why; ArtacError where a process named by its pid may not be."""
    found = await processes.survey(sessions)
    entries = []
    for target in reaping.plan(found, wanted, processes.known(sessions)):
        refusal = _refusal(target)
        if refusal and target.process.pid in wanted.foreign:
            raise ArtacError(ErrorKind.DENIED, refusal)
        entries.append(_entry(target, "refused" if refusal else None, refusal))
    return entries


async def reap(
    sessions: Sessions, wanted: Wanted, confirmed: Collection[Identity], by: str
) -> list[dict[str, Any]]:
    """End what was confirmed, as far as it is still to be ended; what became of each."""
    found = await processes.survey(sessions)
    still_foreign = {row.process.pid for row in found.foreign}
    wanted = replace(wanted, foreign=tuple(still_foreign.intersection(wanted.foreign)))
    targets = [
        target
        for target in reaping.plan(found, wanted, processes.known(sessions))
        if target.process.identity in confirmed
    ]
    work = _Reaping(sessions, by, targets)
    try:
        await work.end()
    finally:
        work.close()
    planned = {target.process.identity for target in targets}
    return [*work.outcomes(), *(_unplanned(one) for one in confirmed if one not in planned)]


class _Reaping:
    """One reap: each target is taken hold of before the first one is signalled."""

    def __init__(self, sessions: Sessions, by: str, targets: list[Target]) -> None:
        self._sessions = sessions
        self._by = by
        self._targets = targets
        self._grace = min(sessions.settings.stop_grace, _LONGEST_GRACE)
        self._held: dict[Identity, Held] = {}
        self._refused: dict[Identity, str] = {}
        self._left: set[Identity] = set()

    def close(self) -> None:
        for held in self._held.values():
            held.close()

    async def end(self) -> None:
        for target in self._targets:
            held = Held.take(*target.process.identity)
            if held is not None:
                self._held[target.process.identity] = held
        of_sessions: dict[str, list[Target]] = {}
        of_cgroups: dict[str, list[Target]] = {}
        work = []
        for target in self._targets:
            home = session_cgroup(target.process.cgroup)
            if target.way is Way.SESSION:
                of_sessions.setdefault(target.session, []).append(target)
            elif target.way is Way.CGROUP and home is not None:
                of_cgroups.setdefault(home.path, []).append(target)
            else:
                work.append(self._end_one(target))
        work += [self._end_session(*item) for item in of_sessions.items()]
        work += [self._end_cgroup(*item) for item in of_cgroups.items()]
        await asyncio.gather(*work)
        self._left = await self._living(self._targets, ANSWER_LIMIT)

    def outcomes(self) -> list[dict[str, Any]]:
        return [_entry(target, *self._outcome(target)) for target in self._targets]

    def _outcome(self, target: Target) -> tuple[str, str]:
        identity = target.process.identity
        if identity not in self._held:
            return "gone", "it had ended already"
        if identity in self._refused:
            return "refused", self._refused[identity]
        if identity in self._left:
            return "refused", "it was killed and is still there"
        self._note(target)
        return "ended", ""

    def _note(self, target: Target) -> None:
        # Not its command line: that may hold what nobody is to read in the journal.
        log.info(
            "process %d ended, asked by %s: %s",
            target.process.pid,
            self._by,
            target.why,
            extra=about(target.session, "", "reaped"),
        )

    async def _end_session(self, session_id: str, targets: list[Target]) -> None:
        """By its own end. What it has started since it was shown goes with it."""
        try:
            session = self._sessions.find(session_id)
            keeper = session.keeper
            if keeper is None or (keeper.pid, keeper.start_time) not in self._held:
                raise ArtacError(
                    ErrorKind.CONFLICT, f"the keeper of session {session_id} was not confirmed"
                )
            await ending.kill(session, self._sessions.store, self._by)
        except ArtacError as error:
            # One that ended by itself meanwhile has taken its processes with it.
            if error.kind not in (ErrorKind.NOT_RUNNING, ErrorKind.NOT_FOUND):
                self._refuse(targets, error.message)
        except OSError as error:
            self._refuse(targets, f"session {session_id} could not be killed: {error.strerror}")

    async def _end_cgroup(self, path: str, targets: list[Target]) -> None:
        """In order, and then whole: what forks may be faster than what signals."""
        home = session_cgroup(path)
        assert home is not None
        directory = cgroups.absolute(path)
        cgroups.thaw(directory)
        for target in targets:
            self._send(target, signal.SIGTERM)
        await self._living(targets, self._grace)
        if any(session.spec.id == home.session for session in self._sessions.live()):
            return
        for target in targets:
            self._send(target, signal.SIGKILL)
        try:
            cgroups.kill(directory)
        except OSError as error:  # somebody else made it in there
            log.warning("cgroup %s cannot be killed whole: %s", path, error.strerror)
        await self._living(targets, ANSWER_LIMIT)
        if not home.scope:  # a scope goes by itself
            self._sessions.places.clear(home.session, Placement.SERVICE)

    async def _end_one(self, target: Target) -> None:
        if refusal := _refusal(target):
            self._refuse([target], refusal)
            return
        self._send(target, signal.SIGTERM)
        if await self._living([target], self._grace):
            self._send(target, signal.SIGKILL)

    def _send(self, target: Target, number: signal.Signals) -> None:
        held = self._held.get(target.process.identity)
        if held is None:
            return
        try:
            held.send(number)
        except PermissionError:
            self._refuse([target], "the kernel does not let artac signal it")

    def _refuse(self, targets: Iterable[Target], why: str) -> None:
        self._refused.update((target.process.identity, why) for target in targets)

    async def _living(self, targets: Iterable[Target], limit: float) -> set[Identity]:
        """Those that are still there when all have ended or the time is over."""
        identities = [
            identity
            for target in targets
            if (identity := target.process.identity) in self._held and identity not in self._refused
        ]
        ended = await asyncio.gather(
            *(self._held[identity].ended_within(limit) for identity in identities)
        )
        return {one for one, gone in zip(identities, ended, strict=True) if not gone}


def _refusal(target: Target) -> str:
    """Why that process is not to be signalled; "" where it may be."""
    if target.way is not Way.SIGNAL:
        return ""
    uid = host.account_of(target.process.pid)
    if uid in (-1, os.geteuid()):
        return ""
    return (
        f"process {target.process.pid} belongs to {processes.account(uid)}: this artac ends "
        f"processes of {processes.account(os.geteuid())} only"
    )


def _unplanned(identity: Identity) -> dict[str, Any]:
    """What is to be said of a process that was confirmed and is not to be ended any more."""
    held = Held.take(*identity)
    outcome, detail = "gone", "it had ended already"
    if held is not None:
        held.close()
        outcome, detail = "refused", "it is not what it was when it was shown: look again"
    return {
        "pid": identity[0],
        "start_time": identity[1],
        "parent": None,
        "session": None,
        "why": None,
        "command": None,
        "outcome": outcome,
        "detail": detail,
    }


def _entry(target: Target, outcome: str | None, detail: str) -> dict[str, Any]:
    process = target.process
    return {
        "pid": process.pid,
        "start_time": process.start_time,
        "parent": process.parent,
        "session": target.session or None,
        "why": target.why,
        "command": process.command,
        "outcome": outcome,
        "detail": detail or None,
    }
