"""The table of sessions: starting one, finding one, ending and forgetting them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial

from ..claude import command, piped
from ..host.inotify import GrowthWatch
from ..host.message_ids import MessageId, of_end
from ..host.store import Store
from ..model.end import EndFacts
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, LaunchRequest, Placement, SessionSpec, StopRequest, check_name
from ..model.settings import Settings
from . import answering, ending, launching, sending, specification
from .admission import Admission, WhileAsked, always_asked, judge
from .care import ProcessCare
from .event_log import EventLog
from .idle import end_when_idle
from .launching import Means
from .limiting import Limiting, grant
from .one_shot import end_after_turn
from .placement import Places
from .session import Session

log = logging.getLogger("artac.sessions")


async def _nothing(session: Session) -> None:
    """There is no more to be written down of it."""


class Sessions:
    """Every session that this backend knows, live and ended."""

    def __init__(
        self, store: Store, places: Places, limiting: Limiting, growth: GrowthWatch
    ) -> None:
        self.settings = Settings()
        self.session_environment: Mapping[str, str] = {}
        self.embedded = False  # no systemd: sessions are detached
        self.open_files = 1024  # the soft limit that sessions get
        self.on_count: Callable[[], None] = lambda: None
        self.on_ended: Callable[[Session], None] = lambda session: None
        # Whether an ended one is still needed, however old it is.
        self.keeps: Callable[[Session], bool] = lambda session: False
        self.need_user_manager: Callable[[], Awaitable[None]]  # ArtacError where it is not there
        self.store = store
        self.events = EventLog(store.root / "events")
        self.places = places
        self.limiting = limiting
        self.care = ProcessCare(growth)
        self._growth = growth
        self._table: dict[str, Session] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.admission = Admission(lambda: judge(self.settings, len(self.live())))

    def all(self) -> list[Session]:
        """Oldest first."""
        return sorted(self._table.values(), key=lambda session: session.spec.created_at)

    def live(self) -> list[Session]:
        return [session for session in self.all() if session.live]

    def find(self, reference: str) -> Session:
        """By id, by name (the living one's, else the latest), or by the only id that starts so."""
        if reference in self._table:
            return self._table[reference]
        named = [session for session in self.all() if session.spec.name == reference]
        if named:
            return next((session for session in named if session.live), named[-1])
        starting = [session for session in self.all() if session.spec.id.startswith(reference)]
        if len(starting) > 1:
            ids = ", ".join(session.spec.id for session in starting)
            raise ArtacError(
                ErrorKind.CONFLICT, f"{reference!r} means several sessions ({ids}): say more"
            )
        if starting:
            return starting[0]
        raise ArtacError(
            ErrorKind.NOT_FOUND, f"there is no session {reference!r}; `artac ls --all` lists them"
        )

    def make(self, spec: SessionSpec) -> Session:
        """A session of that spec in the table, not running yet."""
        session = Session(spec, self.store, self._growth)
        self._table[spec.id] = session
        session.on_ending(lambda: self._on_end(session))
        session.tell = lambda event, **fields: self.events.write(event, session, **fields)
        session.permissions.on_change = lambda entry: answering.tell(session, entry)
        return session

    async def run(
        self, request: LaunchRequest, by: str, while_asked: WhileAsked = always_asked
    ) -> Session:
        """Start a session once one may start, within the time that the request would wait."""
        return await self.start(request, lambda: self._spec(request, by), while_asked)

    async def start(
        self,
        request: LaunchRequest,
        spec_of: Callable[[], SessionSpec],
        while_asked: WhileAsked = always_asked,
        note: Callable[[Session], Awaitable[None]] = _nothing,
    ) -> Session:
        """The same for a session of another origin, of which `note` writes down more."""
        # Before it waits, what will not get better by waiting.
        self._check(request)
        placement = self.placement(request.persist)
        await self.limiting.check_asked(frozenset(request.limits), placement)
        if placement is Placement.SCOPE and not self.settings.persist_claude_sessions:
            await self.need_user_manager()
        async with self.admission.turn(request.queue, self.settings.max_queue, while_asked):
            return await self._run(request, spec_of, note)

    async def _run(
        self,
        request: LaunchRequest,
        spec_of: Callable[[], SessionSpec],
        note: Callable[[Session], Awaitable[None]],
    ) -> Session:
        """Start a session: on disk, in its place, checked, and only then Claude."""
        executable = self._check(request)
        spec = spec_of()
        try:
            self.store.prepare(spec.id)
            session = self.make(spec)
            try:
                await note(session)
                await self._start(session, executable, request)
            except (TimeoutError, ArtacError, OSError, asyncio.CancelledError) as error:
                raise await self.undo(session, error) from None
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED, f"session could not be written to disk: {error.strerror}"
            ) from None
        log.info(
            "session started (%s, %s) in %s",
            spec.kind.value,
            spec.placement.value,
            spec.cwd,
            extra=session.about("started", MessageId.STARTED),
        )
        self.events.started(session)
        self.on_count()
        return session

    def look_after(self, session: Session) -> None:
        """Do for a session that runs what is done for all of them, from now on."""
        self.care.take(session)
        self.in_background(end_when_idle(session, lambda: self._end_idle(session)))
        if session.spec.one_shot:
            self.in_background(end_after_turn(session, partial(self._end_one_shot, session)))

    async def placed(self) -> None:
        """Wait until no session is being moved."""
        for session in self.live():
            async with session.placing:
                continue

    async def remove(self, session: Session) -> None:
        """Forget an ended session and delete what it left on disk."""
        if session.live:
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"session {session.spec.id} is still running: stop it first, or rm --force",
            )
        self._table.pop(session.spec.id, None)
        try:
            await asyncio.to_thread(self.store.remove, session.spec.id)
        except FileNotFoundError:
            pass  # somebody has removed it by hand
        self.events.removed(session.spec.id)

    async def prune(
        self, keep: int, needed: Callable[[Session], bool] = lambda session: False
    ) -> list[str]:
        """Remove the ended sessions beyond the newest `keep`, but those needed; their ids."""
        ended = sorted(
            (s for s in self.all() if s.end is not None and not needed(s)),
            key=lambda s: s.end.facts.at if s.end else 0.0,
        )
        gone = ended[: max(0, len(ended) - keep)]
        for session in gone:
            await self.remove(session)
        return [session.spec.id for session in gone]

    async def end_all(self, sessions: Iterable[Session], by: str, why: str) -> None:
        """End several at once, each in order and within the grace.

        One that somebody has asked to end already does so for that reason.
        """
        grace, ends = self.settings.stop_grace, []
        for session in sessions:
            asked = session.stop_request
            told = (asked.by, asked.why) if asked is not None else (by, why)
            ends.append(self._end_one(session, *told, grace))
        await asyncio.gather(*ends)

    def finish_stop(self, session: Session, stop: StopRequest) -> None:
        """Go on with a stop that an earlier backend began, in the background."""
        grace = 0.0 if stop.why == "kill" else self.settings.stop_grace
        self.in_background(self._end_one(session, stop.by, stop.why, grace))

    def in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _end_idle(self, session: Session) -> None:
        await self._end_one(session, "artac", "timeout", self.settings.stop_grace)

    async def _end_one_shot(self, session: Session, why: str) -> None:
        if session.stop_request is not None:
            return  # somebody ends it already, and it is theirs to say why
        await self._end_one(session, "artac", why, self.settings.stop_grace)

    async def _end_one(self, session: Session, by: str, why: str, grace: float) -> None:
        try:
            await ending.stop(session, self.store, by, why, grace)
        except ArtacError as error:
            if session.live:
                log.error("%s", error.message, extra=session.about("stop"))
        except OSError as error:
            log.error("stop could not be written: %s", error, extra=session.about("stop"))

    def admit(self, name: str) -> None:
        """ArtacError unless another session may be made, and have that name (if any)."""
        if self.admission.closed:
            raise ArtacError(ErrorKind.UNAVAILABLE, "the backend is stopping: nothing is started")
        if name:
            check_name(name)
            for session in self.live():
                if name in (session.spec.name, session.spec.id):
                    raise ArtacError(
                        ErrorKind.CONFLICT,
                        f"session {session.spec.id} is running under the name {name!r}",
                    )

    def _check(self, request: LaunchRequest) -> str:
        self.admit(request.name)
        theirs = () if request.kind is Kind.PIPED else request.claude_args
        command.check_args((*self.settings.claude_args, *theirs))
        try:
            executable = command.find(self.settings.claude_code_path)
        except ArtacError as error:
            raise ArtacError(ErrorKind.FAILED, error.message) from None
        if request.kind is Kind.PIPED:
            piped.check(executable, request.claude_args)
        return executable

    def placement(self, persist: bool | None = None) -> Placement:
        """Where a session started now would live; `persist` counts over the setting."""
        if self.embedded:
            return Placement.DETACHED
        return Placement.SCOPE if self._persists(persist) else Placement.SERVICE

    def _persists(self, persist: bool | None) -> bool:
        return self.settings.persist_claude_sessions if persist is None else persist

    def _spec(self, request: LaunchRequest, by: str) -> SessionSpec:
        placement, persistent = self.placement(request.persist), self._persists(request.persist)
        new_id = self.store.new_id()
        return specification.of(request, self.settings, new_id, by, placement, persistent)

    async def _start(self, session: Session, executable: str, request: LaunchRequest) -> None:
        settings, spec = self.settings, session.spec
        session.granted = grant(settings, request.limits)
        writing = asyncio.ensure_future(self._write(session, request))
        try:
            started = await self.places.start(
                spec.id,
                spec.placement,
                session.directory,
                settings.stop_grace,
                settings.start_timeout,
                session.granted.limits,
                spec.kind,
            )
            session.keeper_status = started.status
            session.attach(started.link, started.hello, started.cgroup)
            self.look_after(session)
        finally:
            await writing  # on disk before Claude is told to go, and before any undoing
        means = Means(settings, self.session_environment, self.open_files, self.store)
        await launching.launch(means, session, started, executable, request)

    async def _write(self, session: Session, request: LaunchRequest) -> None:
        await asyncio.to_thread(self.record, session)
        if request.prompt is not None and request.prompt_uuid is not None:
            by = session.spec.created_by
            await sending.accept_prompt(session, request.prompt, request.prompt_uuid, by)

    def record(self, session: Session) -> None:
        """Write down what was asked for, on disk when this returns."""
        self.store.write_spec(session.spec)
        if session.granted is not None:
            self.store.write_limits(session.spec.id, session.granted)

    async def undo(self, session: Session, error: BaseException) -> BaseException:
        """Leave nothing of a start that failed; what to tell, the keeper's own reason first."""
        self.events.tally.failed_starts += 1
        self._table.pop(session.spec.id, None)
        self.events.tally.add_times(session)
        session.forget_callbacks()
        await ending.abandon(session)
        facts = self.store.read(session.spec.id).end
        session.conclude(facts or EndFacts(at=time.time(), error="its start failed"))
        self.care.ended(session)
        try:
            self.store.remove(session.spec.id)
        except OSError as problem:
            log.warning("a failed start left %s: %s", session.directory, problem)
        if facts is not None and facts.error:
            return ArtacError(ErrorKind.FAILED, f"claude was not started: {facts.error}")
        if isinstance(error, asyncio.TimeoutError):
            return ArtacError(ErrorKind.TIMEOUT, "the session did not start within start_timeout")
        return error

    def _on_end(self, session: Session) -> None:
        assert session.end is not None
        log.info(
            "session ended: %s: %s",
            session.end.reason.value,
            session.end.sentence,
            extra={
                **session.about("ended", of_end(session.end.reason)),
                "artac_reason": session.end.reason.value,
            },
        )
        self.events.ended(session)
        self.on_ended(session)
        self.events.tally.add_times(session)
        self.care.ended(session)
        self.on_count()
        self.admission.look_again()
        self.in_background(self._forget_old())

    async def _forget_old(self) -> None:
        try:
            gone = await self.prune(self.settings.keep_ended, self.keeps)
        except OSError as error:
            log.warning("ended sessions could not be removed: %s", error)
            return
        if gone:
            log.info("forgot %d ended sessions beyond keep_ended", len(gone))
