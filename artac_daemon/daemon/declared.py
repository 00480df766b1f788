"""The declared sessions: which there are, starting one, starting those that come with the backend.

Files are read when they are needed and never kept. A start is safe to repeat because a session
bears its file's name: one that lives is not started twice, found again after a crash or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..host import declared_files
from ..host.journal import explained
from ..host.message_ids import MessageId
from ..model.declaration import Additions, Declaration, Save, Start
from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from ..model.session import LaunchRequest, State, check_name
from . import declaration
from .admission import WhileAsked, always_asked
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.declared")

# Who comes with the backend waits in the queue for as long as anybody may.
_QUEUE = 86400.0
# How long a start waits for the same session, which is being stopped, to be gone (seconds).
_END_LIMIT = 60.0


@dataclass(frozen=True)
class Row:
    """A file, what is wrong with it ("": nothing), and the session of it that is or was."""

    name: str
    path: str
    problem: str
    declaration: Declaration | None
    session: Session | None


@dataclass(frozen=True)
class Started:
    """The session that a start came to; `now` is False where it ran already."""

    session: Session
    now: bool
    prompt_uuid: str | None = None


class Declared:
    """What is declared in one directory, for one backend."""

    def __init__(self, sessions: Sessions, directory: Callable[[], Path]) -> None:
        self._sessions = sessions
        self._directory = directory
        self._locks: dict[str, asyncio.Lock] = {}
        self._in_line: set[str] = set()  # names whose start waits for room
        self._saving = asyncio.Lock()
        self._coming: asyncio.Task[None] | None = None

    @property
    def directory(self) -> Path:
        return self._directory()

    async def rows(self) -> list[Row]:
        """Every file, by name. ArtacError(CONFIG) where the directory itself is not to be used."""
        found = await asyncio.to_thread(_read_all, self.directory)
        return [replace(row, session=self._session(row.name)) for row in found]

    def _session(self, name: str) -> Session | None:
        """Its session: the one that lives, else the newest that has ended."""
        of_it = [session for session in self._sessions.all() if session.spec.declared == name]
        return next((session for session in of_it if session.live), of_it[-1] if of_it else None)

    async def start(
        self, name: str, added: Additions, by: str, while_asked: WhileAsked = always_asked
    ) -> Started:
        """Start what a file describes, unless a session of it runs.

        ArtacError(NOT_FOUND) where there is no such file, (CONFIG) for a wrong one, and as
        `Sessions.run`.
        """
        check_name(name)
        directory = self.directory
        found = await asyncio.to_thread(declaration.read, directory, name)
        if found is None:
            raise ArtacError(
                ErrorKind.NOT_FOUND,
                f"there is no {declared_files.place(directory, name)}; "
                "`artac declared` lists what is declared",
            )
        if name in self._in_line and added.queue is None:
            reason = self._sessions.admission.reason() or "it is about to start"
            raise NotAdmitted(reason)
        lock = self._locks.setdefault(name, asyncio.Lock())

        async def in_line(work: Coroutine[Any, Any, None]) -> None:
            self._in_line.add(name)
            try:
                await while_asked(work)
            finally:
                self._in_line.discard(name)

        await while_asked(_acquire(lock))
        try:
            session = self._session(name)
            if session is not None and session.live and session.state is State.STOPPING:
                await while_asked(_gone(session))
            if session is not None and session.live:
                return Started(session, now=False)
            request = _with(found, added)
            session = await self._sessions.run(request, by, in_line)
            return Started(session, True, request.prompt_uuid)
        finally:
            lock.release()

    async def save(self, name: str, wanted: Save) -> tuple[Path, str]:
        """Write a file: where, and its text. ArtacError(DENIED) where the account may not."""
        text = declaration.render(name, wanted.content)
        if wanted.dry_run:
            return declared_files.place(self.directory, name), text
        async with self._saving:  # two at once would write one half file
            path = await asyncio.to_thread(
                declared_files.write, self.directory, name, text, wanted.force
            )
        log.info("%s written", path)
        return path, text

    async def examined(self) -> tuple[str, str, str, str]:
        """A row of `artac doctor`."""
        name, mend = "declared sessions", "correct the file, then: artac declared"
        try:
            rows = await self.rows()
        except ArtacError as error:
            return name, "fail", error.message, mend
        if broken := [row.problem for row in rows if row.problem]:
            more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
            return name, "fail", broken[0] + more, mend
        return name, "ok", f"{len(rows)} in {self.directory}", ""

    # With the backend

    async def check(self) -> list[Row]:
        """Tell the log what cannot be used; the files that can."""
        try:
            rows = await self.rows()
        except ArtacError as error:
            log.error("declared sessions: %s", error.message, extra=_NOT_STARTED)
            return []
        for row in rows:
            if row.problem:
                log.error("declared session: %s", row.problem, extra=_NOT_STARTED)
        return [row for row in rows if not row.problem]

    def come_up(self) -> None:
        """Start, in the background and by name, what is to come with the backend."""
        self._coming = asyncio.get_running_loop().create_task(self._start_all())

    async def _start_all(self) -> None:
        for row in await self.check():
            if row.declaration is None or row.declaration.start is not Start.WITH_BACKEND:
                continue
            if row.session is not None and row.session.succession.due is not None:
                continue  # it comes back with its conversation, by its restart policy
            try:
                await self.start(row.name, Additions(queue=_QUEUE), "the starting backend")
            except (ArtacError, OSError) as error:
                if self._sessions.admission.closed:
                    return
                log.error("declared session %s: %s", row.name, error, extra=_NOT_STARTED)

    async def close(self) -> None:
        """Start no more; a start that is under way is undone."""
        if self._coming is None:
            return
        self._coming.cancel()
        await asyncio.wait([self._coming])
        if not self._coming.cancelled() and (error := self._coming.exception()) is not None:
            log.error("declared sessions: %s", error, extra=_NOT_STARTED)


_NOT_STARTED = explained(MessageId.NOT_STARTED)


def _read_all(directory: Path) -> list[Row]:
    rows = []
    for name in declared_files.stems(directory):
        path = str(declared_files.place(directory, name))
        try:
            found = declaration.read(directory, name)
        except ArtacError as error:
            rows.append(Row(name, path, error.message, None, None))
            continue
        if found is not None:  # else it is gone meanwhile
            rows.append(Row(name, path, "", found, None))
    return rows


def _with(found: Declaration, added: Additions) -> LaunchRequest:
    request = found.request
    return replace(
        request,
        prompt_uuid=added.prompt_uuid or request.prompt_uuid if request.prompt else None,
        env={**request.env, **added.env},
        size=added.size,
        queue=added.queue,
    )


async def _acquire(lock: asyncio.Lock) -> None:
    await lock.acquire()


async def _gone(session: Session) -> None:
    if not await session.ended_within(_END_LIMIT):
        raise ArtacError(
            ErrorKind.CONFLICT, f"session {session.spec.id} is still being stopped: try it later"
        )
