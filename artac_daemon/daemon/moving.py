"""Moving a running session between the service's cgroup and a scope of its own.

Its tree stands still from the first step to the last, in the cgroup that it leaves and in the one
that it comes to, so nothing is forked past the move. The keeper runs on: it knows of the move, and
thaws the tree if this backend dies meanwhile. The keeper goes first. A session is where its keeper
is, and so the next backend finds it wherever this one was interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..host import cgroups, freezing, processes
from ..host.message_ids import MessageId
from ..keeper.record import is_zombie
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Identity, Kind, Placement, SessionSpec, State
from . import homes
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.session")

# The keeper's protocol that knows of moves.
_KNOWS_MOVES = (1, 1)
# How long its processes may take to stand still: what waits for a disk cannot.
_FREEZE_LIMIT = 5.0
# How long one may take to be told that has ended in the middle.
_END_LIMIT = 5.0


async def persist(sessions: Sessions, session: Session, on: bool) -> bool:
    """Make a running session outlive the backend, or end with it; False if it does so already.

    ArtacError when it cannot be moved: it is then where it was, and runs.
    """
    await session.begun()
    async with session.placing:
        spec = session.spec
        _check(sessions, session)
        target = Placement.SCOPE if on else Placement.SERVICE
        if spec.placement is target:
            return False
        if session.protocol < _KNOWS_MOVES:
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"session {spec.id} was started by an older artac, whose keeper cannot be moved",
            )
        if spec.kind is Kind.ADOPTED:
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"session {spec.id} is an adopted process: it was there before the daemon, "
                "and does not end with it",
            )
        if on:
            await sessions.need_user_manager()
        grace = sessions.settings.stop_grace
        assert session.cgroup is not None
        source = sessions.places.home(spec.id, spec.placement, grace, session.cgroup)
        to = sessions.places.home(spec.id, target, grace)
        await _Move(sessions, session, source, to).do()
        sessions.care.release(spec.id)
        sessions.care.take(session)
    event = "persisted" if on else "unpersisted"
    extra = session.about(event, MessageId.MOVED)
    log.info("session moved: %s", _fate(session.spec), extra=extra)
    session.tell(event, placement=session.spec.placement.value)
    sessions.on_count()
    return True


def _check(sessions: Sessions, session: Session) -> None:
    spec = session.spec
    if not session.live:
        what = f"session {spec.id} has ended{session.resumed_as}: nothing to move"
        raise ArtacError(ErrorKind.NOT_RUNNING, what)
    stopping = session.stop_request is not None or session.state is State.STOPPING
    if sessions.admission.closed or stopping:
        raise ArtacError(ErrorKind.CONFLICT, f"session {spec.id} is being stopped")
    if spec.placement is Placement.DETACHED:
        raise ArtacError(
            ErrorKind.CONFLICT,
            f"session {spec.id} is detached: without systemd there is nowhere to move it to",
        )
    if not session.connected or session.keeper is None or session.cgroup is None:
        raise ArtacError(ErrorKind.UNAVAILABLE, f"the keeper of {spec.id} is silent")


def relocated(spec: SessionSpec, placement: Placement) -> SessionSpec:
    """The spec of a session that lives there."""
    return replace(spec, placement=placement, persistent=placement is Placement.SCOPE)


class _Move:
    """One move, and the way back."""

    def __init__(
        self, sessions: Sessions, session: Session, source: homes.Home, target: homes.Home
    ) -> None:
        assert session.keeper is not None and session.cgroup is not None
        self._store, self._session = sessions.store, session
        self._limiting = sessions.limiting
        self._source, self._target = source, target
        self._keeper: Identity = session.keeper
        self._writing: asyncio.Future[None] | None = None
        self._old, self._new = session.spec, relocated(session.spec, target.placement)

    async def do(self) -> None:
        try:
            cgroup = await self._carry(self._source, self._target, self._new)
        except BaseException as error:
            why = await self._back(error)
            if isinstance(error, (ArtacError, OSError)):
                raise why from None
            raise
        self._session.relocate(self._new, cgroup)
        cgroups.thaw(cgroup / "claude")
        if self._source.placement is Placement.SERVICE and self._source.cgroup is not None:
            await asyncio.to_thread(cgroups.remove, self._source.cgroup)

    async def _carry(self, source: homes.Home, target: homes.Home, spec: SessionSpec) -> Path:
        """Move all of it, tell the keeper, write it down: the new cgroup, still frozen."""
        assert source.cgroup is not None
        await self._session.request("moving", cgroup=str(target.cgroup or source.cgroup))
        await freezing.freeze(source.leaf, _FREEZE_LIMIT)
        cgroup = await target.take_keeper(self._keeper, source.cgroup / "keeper")
        await self._session.request("moving", cgroup=str(cgroup))
        await target.take(source.leaf)
        left = [*cgroups.pids(source.cgroup), *target.stray()]
        if left := [pid for pid in left if not is_zombie(pid)]:
            raise ArtacError(ErrorKind.FAILED, f"processes stayed behind: {left}")
        if not cgroups.populated(target.leaf):
            raise ArtacError(ErrorKind.NOT_RUNNING, "it has ended meanwhile")
        if self._session.granted is not None:
            limits = self._session.granted.limits
            await self._limiting.apply(target.placement, spec.id, cgroup, limits)
        await self._session.request("moved", cgroup=str(cgroup), spec=spec.to_json())
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._store.write_spec, spec))
        await asyncio.shield(self._writing)
        return cgroup

    async def _back(self, error: BaseException) -> ArtacError:
        """Everything as it was, and running; what to tell."""
        session = self._session
        why = error.message if isinstance(error, ArtacError) else str(error)
        log.warning("not moved: %s", why or repr(error), extra=session.about("move-failed"))
        try:
            ended = isinstance(error, ArtacError) and error.kind is ErrorKind.NOT_RUNNING
            if not ended and session.live and processes.is_alive(self._keeper):
                await self._return()
            if ended or not session.live or not processes.is_alive(self._keeper):
                # Its keeper is gone in the middle, and with it who would end what it has left.
                self._end_both()
                await session.ended_within(_END_LIMIT)
                return ArtacError(
                    ErrorKind.NOT_RUNNING, f"session {self._old.id} ended while it was moved"
                )
        except (ArtacError, OSError) as problem:
            log.error("not moved back: %s", problem, extra=session.about("move-failed"))
            return ArtacError(
                ErrorKind.FAILED,
                f"session {self._old.id} could not be moved ({why}), and not all of it back "
                f"({problem}): stop it",
            )
        finally:
            for home in (self._source, self._target):
                if home.cgroup is not None:
                    cgroups.thaw(home.leaf)
        return ArtacError(
            ErrorKind.FAILED, f"session {self._old.id} was not moved, it is where it was: {why}"
        )

    async def _return(self) -> None:
        source, target = self._source, self._target
        there = target.cgroup
        moved = there is not None and bool(cgroups.pids(there))
        if moved:
            assert there is not None
            if cgroups.pids(there / "keeper"):
                await source.take_keeper(self._keeper, there / "keeper")
            await source.take(target.leaf)
        assert source.cgroup is not None
        told: dict[str, Any] = {"cgroup": str(source.cgroup), "spec": self._old.to_json()}
        try:
            await self._session.request("moved", **told)
        except ArtacError:
            if moved:  # else it is silent, and has no wrong idea of anything
                raise
        self._session.relocate(self._old, source.cgroup)
        await self._unwrite()
        # A scope's is systemd's to remove: taken away under it, the unit would stay, empty.
        if there is not None and target.placement is Placement.SERVICE:
            await asyncio.to_thread(cgroups.remove, there)

    async def _unwrite(self) -> None:
        """A request that was cancelled may have written down a move that is taken back."""
        if self._writing is None:
            return
        await asyncio.wait([self._writing])
        if self._writing.exception() is None:
            await asyncio.to_thread(self._store.write_spec, self._old)

    def _end_both(self) -> None:
        # A keeper that is alive is just leaving, and has written down the end.
        for home in (self._source, self._target):
            if home.cgroup is not None and home.cgroup.exists():
                cgroups.kill(home.leaf)


async def settle(session: Session, heard_of: str | None) -> None:
    """After a backend that died in a move: its keeper knows where it is, and nothing is frozen."""
    if session.cgroup is None:
        return
    try:
        if session.protocol >= _KNOWS_MOVES and heard_of != str(session.cgroup):
            await session.request("moved", cgroup=str(session.cgroup), spec=session.spec.to_json())
    except ArtacError as error:
        log.warning("%s", error.message, extra=session.about("adopted"))
    finally:
        cgroups.thaw(session.cgroup / "claude")


def _fate(spec: SessionSpec) -> str:
    if spec.persistent:
        return f"into {spec.placement.value}, it lives on when the daemon stops"
    return f"into {spec.placement.value}, it ends with the daemon"
