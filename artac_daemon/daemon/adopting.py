"""Taking a Claude Code process that somebody else has started into a scope of its own.

It can be limited, watched and ended from then on. Its input and output stay where they were.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

from ..claude.recognition import runs_claude
from ..host import cgroups, foreign, freezing, processes
from ..keeper.tree import descendants
from ..model.census import session_cgroup
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Identity, Kind, Placement, SessionSpec
from . import homes
from .limiting import grant
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.session")

# Its cgroup is shared with others, so it cannot be frozen there: what it forks while it is moved
# is looked for again, so many times. What has come over stands still.
_PASSES = 20


@dataclass(frozen=True)
class Adopted:
    """`outside`: processes of its tree that could not be had; they stayed where they were."""

    session: Session
    outside: list[int]


async def adopt(sessions: Sessions, pid: int, name: str, by: str) -> Adopted:
    """Move a process with its tree into a session of its own. ArtacError: nothing has changed."""
    if sessions.embedded:
        raise ArtacError(ErrorKind.CONFLICT, "sessions are detached here: adopting needs systemd")
    sessions.admit(name)
    most = sessions.settings.max_sessions
    if len(sessions.live()) >= most:  # the machine's memory is not asked: it runs already
        what = f"{len(sessions.live())} sessions are running, max_sessions allows {most}"
        raise ArtacError(ErrorKind.LIMIT, what)
    process = foreign.look(pid)
    _check(process)
    await sessions.need_user_manager()
    spec = _spec(sessions, process, name, by)
    try:
        sessions.store.prepare(spec.id)
        session = sessions.make(spec)
        try:
            async with session.placing:
                home = await _start(sessions, session, process)
                await home.attach([pid], "claude")
        except (TimeoutError, ArtacError, OSError, asyncio.CancelledError) as error:
            if session.cgroup is not None and cgroups.populated(session.cgroup / "claude"):
                raise  # it is over: the session stays, and the next backend goes on from here
            raise await sessions.undo(session, error) from None
    except OSError as error:
        raise ArtacError(
            ErrorKind.FAILED, f"session could not be written to disk: {error.strerror}"
        ) from None
    outside = await gather(session, home)
    log.info("process %d adopted from %s", pid, process.cgroup, extra=session.about("adopted"))
    sessions.on_count()
    return Adopted(session, outside)


def _check(process: foreign.Foreign) -> None:
    pid = process.identity.pid
    if process.uid != os.getuid():
        raise ArtacError(
            ErrorKind.DENIED,
            f"process {pid} belongs to uid {process.uid}, this daemon has uid {os.getuid()}: "
            "only processes of the same account can be adopted",
        )
    if owner := session_cgroup(process.cgroup):
        raise ArtacError(
            ErrorKind.CONFLICT, f"process {pid} is in the artac session {owner.session}"
        )
    if pid in foreign.ancestors(os.getpid()):
        raise ArtacError(ErrorKind.CONFLICT, f"process {pid} is this daemon, or has started it")
    if not runs_claude(process.executable, process.argv):
        ran = process.argv[0] if process.argv else "nothing"
        raise ArtacError(ErrorKind.USAGE, f"process {pid} is no Claude Code: it runs {ran[:80]!r}")
    for below in descendants(pid):
        if foreign.uid_of(below) not in (os.getuid(), None):
            raise ArtacError(
                ErrorKind.DENIED,
                f"process {below} below it belongs to another account and cannot be moved: "
                "try again when it has ended",
            )
        if owner := session_cgroup(cgroups.of_process(below)):
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"process {below} below it is in the artac session {owner.session}",
            )


def _spec(sessions: Sessions, process: foreign.Foreign, name: str, by: str) -> SessionSpec:
    session_id = sessions.store.new_id()
    return SessionSpec(
        id=session_id,
        name=name or session_id,
        kind=Kind.ADOPTED,
        placement=Placement.SCOPE,
        persistent=True,
        cwd=process.cwd,
        claude_session_id="",
        created_at=time.time(),
        boot_id=processes.boot_id(),
        permission_mode="",
        created_by=by,
    )


async def _start(sessions: Sessions, session: Session, process: foreign.Foreign) -> homes.Home:
    """A keeper in a scope, which watches the process; the leaf for that is there, and frozen."""
    settings, spec = sessions.settings, session.spec
    session.granted = grant(settings, {})
    writing = asyncio.ensure_future(asyncio.to_thread(sessions.record, session))
    try:
        started = await sessions.places.start(
            spec.id,
            spec.placement,
            session.directory,
            settings.stop_grace,
            settings.start_timeout,
            session.granted.limits,
        )
        session.attach(started.link, started.hello, started.cgroup)
    finally:
        await writing
    assert started.cgroup is not None
    reply = await asyncio.wait_for(
        started.link.request(
            "adopt",
            spec=spec.to_json(),
            name=spec.name,
            process=process.identity.to_json(),
            cgroup=str(started.cgroup),
            grace=settings.stop_grace,
            runtime_max=session.granted.limits.runtime_max,
        ),
        settings.start_timeout,
    )
    session.launched(reply)
    # Should this backend die now, the keeper thaws what has come over.
    await session.request("moving", cgroup=str(started.cgroup))
    home = sessions.places.home(spec.id, spec.placement, settings.stop_grace, started.cgroup)
    freezing.freeze_empty(home.leaf)
    return home


async def gather(session: Session, home: homes.Home) -> list[int]:
    """Get the whole tree over, and let it run; what could not be had."""
    assert session.claude is not None and session.cgroup is not None
    try:
        for _ in range(_PASSES):
            outside = _outside(session.claude, home)
            if not outside:
                break
            try:
                await home.attach(outside, "claude")
            except ArtacError:
                await _one_by_one(home, outside)
        outside = _outside(session.claude, home)
        if outside:
            log.warning("stayed outside: %s", outside, extra=session.about("adopted"))
        return outside
    finally:
        cgroups.thaw(home.leaf)
        try:
            told: dict[str, Any] = {"cgroup": str(session.cgroup), "spec": session.spec.to_json()}
            await session.request("moved", **told)
        except ArtacError as error:  # it has ended meanwhile
            log.info("%s", error.message, extra=session.about("adopted"))


async def _one_by_one(home: homes.Home, pids: list[int]) -> None:
    for pid in pids:
        try:
            await home.attach([pid], "claude")
        except ArtacError:
            continue  # it has ended, or the next pass tries again


def _outside(claude: Identity, home: homes.Home) -> list[int]:
    if not processes.is_alive(claude):
        return []
    inside = set(cgroups.pids(home.leaf))
    tree = [claude.pid, *descendants(claude.pid)]
    return [pid for pid in tree if pid not in inside and processes.identify(pid) is not None]


async def resume(sessions: Sessions, session: Session) -> None:
    """Go on with an adoption that an earlier backend did not live to finish."""
    if session.claude is None or session.cgroup is None:
        return
    grace = sessions.settings.stop_grace
    home = sessions.places.home(session.spec.id, session.spec.placement, grace, session.cgroup)
    await gather(session, home)
