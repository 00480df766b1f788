"""The table of sessions: starting one, finding one, ending and forgetting them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

from ..claude import command, stream
from ..host import processes, workdir
from ..host.inotify import GrowthWatch
from ..host.message_ids import MessageId, of_end
from ..host.store import Store
from ..model.end import EndFacts
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, LaunchRequest, Placement, SessionSpec, StopRequest, check_name
from ..model.settings import Settings
from . import ending
from .admission import Admission, WhileAsked, always_asked, judge
from .care import ProcessCare
from .event_log import EventLog
from .idle import end_when_idle
from .limiting import Limiting, grant
from .placement import Places, Started
from .session import Session

log = logging.getLogger("artac.sessions")


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
        return session

    async def run(
        self, request: LaunchRequest, by: str, while_asked: WhileAsked = always_asked
    ) -> Session:
        """Start a session once one may start, within the time that the request would wait."""
        # Before it waits, what will not get better by waiting.
        self._check(request)
        await self.limiting.check_asked(frozenset(request.limits), self.placement())
        async with self.admission.turn(request.queue, self.settings.max_queue, while_asked):
            return await self._run(request, by)

    async def _run(self, request: LaunchRequest, by: str) -> Session:
        """Start a session: on disk, in its place, checked, and only then Claude."""
        executable = self._check(request)
        spec = self._spec(request, by)
        try:
            self.store.prepare(spec.id)
            session = self.make(spec)
            try:
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

    async def prune(self, keep: int) -> list[str]:
        """Remove the ended sessions beyond the newest `keep`; their ids."""
        ended = sorted(
            (s for s in self.all() if s.end is not None),
            key=lambda s: s.end.facts.at if s.end else 0.0,
        )
        gone = ended[: max(0, len(ended) - keep)]
        for session in gone:
            await self.remove(session)
        return [session.spec.id for session in gone]

    async def end_all(self, sessions: Iterable[Session], by: str, why: str) -> None:
        """End several at once, each in order and within the grace."""
        grace = self.settings.stop_grace
        await asyncio.gather(*(self._end_one(session, by, why, grace) for session in sessions))

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
        command.check_args((*self.settings.claude_args, *request.claude_args))
        try:
            return command.find(self.settings.claude_code_path)
        except ArtacError as error:
            raise ArtacError(ErrorKind.FAILED, error.message) from None

    def placement(self) -> Placement:
        """Where a session started now would live."""
        if self.embedded:
            return Placement.DETACHED
        return Placement.SCOPE if self.settings.persist_claude_sessions else Placement.SERVICE

    def _spec(self, request: LaunchRequest, by: str) -> SessionSpec:
        settings = self.settings
        session_id = self.store.new_id()
        return SessionSpec(
            id=session_id,
            name=request.name or session_id,
            kind=request.kind,
            placement=self.placement(),
            persistent=settings.persist_claude_sessions,
            cwd=workdir.check(request.cwd, settings.allowed_roots),
            claude_session_id=str(uuid.uuid4()),
            created_at=time.time(),
            boot_id=processes.boot_id(),
            model=request.model,
            permission_mode=request.permission_mode or settings.permission_mode.value,
            allowed_tools=request.allowed_tools,
            claude_args=(*settings.claude_args, *request.claude_args),
            env_names=tuple(sorted(request.env)),
            created_by=by,
        )

    async def _start(self, session: Session, executable: str, request: LaunchRequest) -> None:
        settings, spec = self.settings, session.spec
        session.granted = grant(settings, request.limits)
        writing = asyncio.ensure_future(asyncio.to_thread(self.record, session))
        try:
            started = await self.places.start(
                spec.id,
                spec.placement,
                session.directory,
                settings.stop_grace,
                settings.start_timeout,
                session.granted.limits,
            )
            session.keeper_status = started.status
            session.attach(started.link, started.hello, started.cgroup)
            self.look_after(session)
        finally:
            await writing  # on disk before Claude is told to go, and before any undoing
        await self._launch(session, started, executable, request)

    def record(self, session: Session) -> None:
        """Write down what was asked for, on disk when this returns."""
        self.store.write_spec(session.spec)
        if session.granted is not None:
            self.store.write_limits(session.spec.id, session.granted)

    async def _launch(
        self, session: Session, started: Started, executable: str, request: LaunchRequest
    ) -> None:
        settings, spec = self.settings, session.spec
        columns, rows = request.size or settings.terminal_size
        reply = await asyncio.wait_for(
            started.link.request(
                "launch",
                spec=spec.to_json(),
                name=spec.name,
                argv=command.argv(executable, spec),
                env=command.environment(
                    os.environ,
                    self.session_environment,
                    settings.session_env,
                    request.env,
                    spec,
                ),
                cwd=spec.cwd,
                umask=settings.session_umask,
                open_files=self.open_files,
                terminal=spec.kind is Kind.TERMINAL,
                columns=columns,
                rows=rows,
                cgroup=str(started.cgroup) if started.cgroup else None,
                input=session.opening(_opening(request)),
                grace=settings.stop_grace,
                output_max=settings.output_max,
                runtime_max=session.granted.limits.runtime_max if session.granted else None,
                bound=spec.placement is Placement.DETACHED and not spec.persistent,
            ),
            settings.start_timeout,
        )
        session.launched(reply)

    async def undo(self, session: Session, error: BaseException) -> BaseException:
        """Leave nothing of a start that failed; what to tell, the keeper's own reason first."""
        self.events.tally.failed_starts += 1
        self._table.pop(session.spec.id, None)
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
        self.care.ended(session)
        self.on_count()
        self.admission.look_again()
        self.in_background(self._forget_old())

    async def _forget_old(self) -> None:
        try:
            gone = await self.prune(self.settings.keep_ended)
        except OSError as error:
            log.warning("ended sessions could not be removed: %s", error)
            return
        if gone:
            log.info("forgot %d ended sessions beyond keep_ended", len(gone))


def _opening(request: LaunchRequest) -> list[tuple[str, str]]:
    """The first input lines with their keys; Claude answers `initialize` once it is up."""
    if request.kind is Kind.TERMINAL:
        return []
    lines = [("", stream.initialize())]
    if request.prompt is not None and request.prompt_uuid is not None:
        message = stream.user_message(request.prompt, request.prompt_uuid)
        lines.append((request.prompt_uuid, message))
    return lines
