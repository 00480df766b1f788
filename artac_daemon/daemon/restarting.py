"""Taking ended sessions up without anybody asking, as their restart policies say."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from ..host import network, processes
from ..host.message_ids import MessageId
from ..model.errors import ArtacError, ErrorKind
from ..model.restart import Bounds, Decision, Ended, decide
from ..model.session import Restart, ResumeRequest
from . import resuming
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.session")

# How long the network may take to come up after a boot; an idle session needs none yet (seconds).
_NETWORK_LIMIT = 60.0
# While limits let no session start, it waits in line for so long (seconds).
_QUEUE = 3600.0
# What may be better at the next attempt. Anything else will not get better by itself.
_MAY_PASS = (ErrorKind.FAILED, ErrorKind.TIMEOUT, ErrorKind.LIMIT, ErrorKind.UNAVAILABLE)

_BY = "artac's restart policy"


class Restarter:
    """One task for each session that is to come back, and one for all that come back at a boot."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._begun = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._boot: asyncio.Task[None] | None = None
        self._at_boot: set[str] = set()  # whose turn after the boot is to come
        sessions.on_ended = self._on_ended
        sessions.keeps = self._keeps

    def begin(self) -> None:
        """Look at the sessions that have ended; from now on each end is looked at."""
        self._begun = True
        at_boot = []
        for session in self._sessions.all():
            if session.live or session.succession.successor or not session.spec.restart:
                continue
            known = session.succession
            if known.gave_up and known.gave_up_boot == processes.boot_id():
                continue
            decision = self._decide(session)
            if decision.at_boot and decision.at is not None:
                session.succession.due, session.succession.due_why = decision.at, decision.why
                at_boot.append(session)
            else:
                self._follow(session, decision)
        if at_boot:
            self._at_boot = {session.spec.id for session in at_boot}
            self._boot = asyncio.get_running_loop().create_task(self._after_boot(at_boot))

    async def close(self) -> None:
        """Take nothing up any more. The next backend goes on from what is on disk."""
        tasks = [*self._tasks.values(), *([self._boot] if self._boot is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def change(self, session: Session, policy: tuple[Restart, ...]) -> None:
        """Give a session another policy; one that is about to come back may not any more."""
        spec = replace(session.spec, restart=policy)
        try:
            self._sessions.store.write_spec(spec)
        except OSError as error:
            what = f"the restart policy could not be written to disk: {error.strerror}"
            raise ArtacError(ErrorKind.FAILED, what) from None
        session.spec = spec
        if session.succession.due is not None:
            self._forget(session)
            decision = self._decide(session)
            if session.spec.id in self._at_boot and decision.at is not None:
                session.succession.due, session.succession.due_why = decision.at, decision.why
            else:
                self._follow(session, decision)

    def _keeps(self, session: Session) -> bool:
        if not self._begun:
            return bool(session.spec.restart)
        return session.succession.due is not None

    def _on_ended(self, session: Session) -> None:
        if self._begun and session.spec.restart and not self._sessions.admission.closed:
            self._follow(session, self._decide(session))

    def _decide(self, session: Session) -> Decision:
        settings, spec = self._sessions.settings, session.spec
        assert session.end is not None
        bounds = Bounds(
            settings.restart_attempts, settings.restart_window, settings.restart_backoff
        )
        ended = Ended(
            end=session.end,
            policy=spec.restart,
            same_boot=spec.boot_id == processes.boot_id(),
            stop=session.stop_request,
            attempts=session.succession.attempts,
            env_names=spec.env_names,
        )
        return decide(ended, bounds, time.time())

    def _follow(self, session: Session, decision: Decision) -> None:
        if decision.at is None:
            if decision.given_up:
                self._give_up(session, decision.why)
            return
        session.succession.due, session.succession.due_why = decision.at, decision.why
        seconds = max(0.0, decision.at - time.time())
        extra = session.about("resuming")
        log.info("to be resumed in %.0f s: %s", seconds, decision.why, extra=extra)
        self._begin(session, seconds)

    def _begin(self, session: Session, seconds: float) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._later(session, seconds))
        self._tasks[session.spec.id] = task
        task.add_done_callback(lambda task: self._done(session.spec.id, task))
        return task

    def _done(self, session_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(session_id) is task:
            del self._tasks[session_id]

    def _forget(self, session: Session) -> None:
        session.succession.due, session.succession.due_why = None, ""
        if (task := self._tasks.pop(session.spec.id, None)) is not None:
            task.cancel()

    def _give_up(self, session: Session, why: str) -> None:
        self._forget(session)
        session.succession.gave_up, session.succession.gave_up_boot = why, processes.boot_id()
        self._note(session)
        extra = session.about("not-resumed", MessageId.NOT_RESUMED)
        log.info("not resumed: %s", why, extra=extra)
        session.tell("not-resumed", why=why)

    async def _after_boot(self, at_boot: list[Session]) -> None:
        """One after the other: Claude's start takes the machine more than its idleness."""
        if not await network.wait_for_default_route(_NETWORK_LIMIT):
            log.warning("there is no default route after %.0f s: going on", _NETWORK_LIMIT)
        for number, session in enumerate(at_boot):
            if number:
                await asyncio.sleep(self._sessions.settings.restart_stagger)
            self._at_boot.discard(session.spec.id)
            if session.succession.due is not None:
                await asyncio.wait([self._begin(session, 0.0)])

    async def _later(self, session: Session, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._take_up(session)

    async def _take_up(self, session: Session) -> None:
        sessions, known = self._sessions, session.succession
        there = any(each is session for each in sessions.all())
        if sessions.admission.closed or not there or known.successor:
            known.due, known.due_why = None, ""
            return
        if beside := self._declared_too(session):
            self._tasks.pop(session.spec.id, None)  # not to be cancelled: it is this one
            self._give_up(session, f"session {beside} was started of the same file")
            return
        now = time.time()
        window = sessions.settings.restart_window
        known.attempts = (*(at for at in known.attempts if at > now - window), now)
        # Before it is tried: a backend that dies of it has counted it.
        self._note(session)
        asked = ResumeRequest(attempts=known.attempts, queue=_QUEUE)
        try:
            await self._resume(session, asked)
        except ArtacError as error:
            if sessions.admission.closed:
                return
            if known.successor:  # somebody has, while this one waited in line
                known.due, known.due_why = None, ""
                return
            log.warning("%s", error.message, extra=session.about("resuming"))
            decision = self._decide(session)
            if error.kind not in _MAY_PASS or decision.at is None:
                why = error.message if error.kind not in _MAY_PASS else decision.why
                self._tasks.pop(session.spec.id, None)  # not to be cancelled: it is this one
                self._give_up(session, why)
            else:
                self._tasks.pop(session.spec.id, None)
                self._follow(session, decision)

    async def _resume(self, session: Session, asked: ResumeRequest) -> None:
        try:
            await resuming.resume(self._sessions, session, asked, _BY)
        except (OSError, TimeoutError) as error:  # no reason not to go on with the next one
            raise ArtacError(ErrorKind.FAILED, f"not resumed: {error}") from None

    def _declared_too(self, session: Session) -> str:
        """The id of a session of the same file in sessions.d that lives; "" where none does."""
        declared = session.spec.declared
        alike = (s.spec.id for s in self._sessions.live() if s.spec.declared == declared)
        return next(alike, "") if declared else ""

    @staticmethod
    def _note(session: Session) -> None:
        try:
            session.note_succession()
        except OSError as error:
            log.warning("could not be noted: %s", error, extra=session.about("resuming"))
