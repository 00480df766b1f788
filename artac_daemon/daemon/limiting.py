"""The limits of sessions: given at the start, changed while they run, and never only pretended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..host import cgroups, limits, scopes, shedding, usage
from ..host.message_ids import MessageId
from ..host.store import Store
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import (
    CONTROLLERS,
    LIMITS,
    Granted,
    Limits,
    for_all,
    for_each,
    missing,
)
from ..model.session import Kind, Placement, unit_name
from ..model.settings import Settings
from .session import Session

log = logging.getLogger("artac.limits")

_KERNEL_KEYS = frozenset(key for key, row in LIMITS.items() if row.controller)


class Limiting:
    """Knows which controllers there are in each placement, and puts limits into effect there."""

    def __init__(self, service: cgroups.ServiceCgroup | None, use_scopes: bool) -> None:
        self._service = service
        self._use_scopes = use_scopes
        self._totals: dict[Placement, Limits] = {}  # as they are in effect
        self._present: dict[Placement, frozenset[str]] = {Placement.DETACHED: frozenset()}
        if service is not None:
            self._present[Placement.SERVICE] = limits.enable(service)

    async def present(self, placement: Placement) -> frozenset[str]:
        """The controllers that sessions there have."""
        # None at all is no answer to keep: the user manager may not be up yet.
        if placement is Placement.SCOPE and not self._present.get(placement):
            self._present[placement] = await limits.manager_controllers()
        return self._present.get(placement, frozenset())

    async def warn_of_missing(self, placement: Placement) -> None:
        """Say in the log which of the limits every session gets have no effect here."""
        absent = [name for name in CONTROLLERS if name not in await self.present(placement)]
        if not absent:
            return
        without = [key for key, row in LIMITS.items() if row.controller in absent]
        why = (
            "sessions are detached"
            if placement is Placement.DETACHED
            else f"no cgroup controller for {', '.join(absent)} here"
        )
        extra = {"artac_message_id": MessageId.LIMITS_MISSING}
        log.warning("limits without effect: %s (%s)", ", ".join(without), why, extra=extra)

    async def bound_all(self, settings: Settings, use_scopes: bool = False) -> None:
        """Limit all sessions together, in each placement that is in use."""
        self._use_scopes |= use_scopes
        totals = for_all(settings)
        try:
            if self._service is not None and self._totals.get(Placement.SERVICE) != totals:
                limits.bound(self._service.sessions, totals)
                self._totals[Placement.SERVICE] = totals
            scopes_differ = self._use_scopes and self._totals.get(Placement.SCOPE) != totals
            if scopes_differ and await self.present(Placement.SCOPE):
                await limits.bound_unit(scopes.SLICE, totals)
                self._totals[Placement.SCOPE] = totals
        except (ArtacError, OSError) as error:
            log.error("the limits of all sessions together are not in effect: %s", error)

    async def check_asked(self, asked: frozenset[str], placement: Placement) -> None:
        """ArtacError(CONFLICT) where a limit that somebody asked for would have no effect."""
        without = missing(asked, await self.present(placement))
        if without:
            lacks = ", ".join(sorted(set(without.values())))
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"{', '.join(without)}: without effect here, as {placement.value} placement has "
                f"no cgroup controller for {lacks} on this machine (`artac doctor` tells more)",
            )

    async def apply(self, placement: Placement, session_id: str, cgroup: Path, new: Limits) -> None:
        """Put the kernel's part of the limits of one session into effect."""
        if placement is Placement.SCOPE:
            await limits.bound_unit(unit_name(session_id), new)
        elif placement is Placement.SERVICE:
            limits.bound(cgroup, new)

    async def change(
        self, session: Session, store: Store, changes: Mapping[str, Any], force: bool
    ) -> Granted:
        """Change limits of a running session, all of them or none; on disk when this returns."""
        if not session.live:
            what = f"session {session.spec.id} has ended{session.resumed_as}"
            raise ArtacError(ErrorKind.NOT_RUNNING, what)
        if "idle_timeout" in changes and session.spec.kind is Kind.ADOPTED:
            what = f"session {session.spec.id} is adopted: nobody can tell when it is idle"
            raise ArtacError(ErrorKind.CONFLICT, what)
        await session.begun()
        async with session.placing:
            return await self._change(session, store, changes, force)

    async def _change(
        self, session: Session, store: Store, changes: Mapping[str, Any], force: bool
    ) -> Granted:
        placement = session.spec.placement
        await self.check_asked(frozenset(changes), placement)
        old = session.granted or Granted(Limits())
        new = old.with_changes(changes)
        if not force:
            _check_room(session, changes)
        try:
            if force:
                await _make_room(session, changes)
            await self._enforce(session, changes, new.limits)
            store.write_limits(session.spec.id, new)
        except (ArtacError, OSError) as error:
            await self._take_back(session, changes, old.limits)
            if isinstance(error, OSError):
                what = f"the limits could not be written to disk: {error.strerror}"
                raise ArtacError(ErrorKind.FAILED, what) from None
            raise
        session.set_granted(new)
        written = new.limits.to_json()
        told = ", ".join(f"{key}={written[key]}" for key in changes)
        extra = session.about("limits", MessageId.LIMITS_CHANGED)
        log.info("limits changed: %s", told, extra=extra)
        session.tell("limits", limits={key: written[key] for key in changes})
        return new

    async def _enforce(self, session: Session, changes: Mapping[str, Any], new: Limits) -> None:
        """Have the kernel, systemd and the keeper do what of those limits is theirs."""
        if session.cgroup is not None and _KERNEL_KEYS & changes.keys():
            await self.apply(session.spec.placement, session.spec.id, session.cgroup, new)
        if "runtime_max" in changes:
            await session.request("runtime", seconds=new.runtime_max)

    async def _take_back(self, session: Session, changes: Mapping[str, Any], old: Limits) -> None:
        for key in changes:  # each by itself: what refused the new one may refuse the old one, too
            try:
                await self._enforce(session, {key: None}, old)
            except ArtacError as error:
                log.warning("%s", error.message, extra=session.about("limits"))


def grant(settings: Settings, asked: Mapping[str, Any]) -> Granted:
    """The limits of a new session: the settings', and what was asked for in their place."""
    return Granted(replace(for_each(settings), **asked), frozenset(asked))


async def _make_room(session: Session, changes: Mapping[str, Any]) -> None:
    """Bring the use below a bound that is about to come into effect; Claude is not hit for it."""
    directory, asked = session.cgroup, changes.get("memory_max")
    bound = None if asked is None else limits.bytes_of(asked)
    if directory is None or bound is None:
        return
    kept = [process.pid for process in (session.keeper, session.claude) if process is not None]
    needed = sum(map(shedding.own_memory, kept))
    if needed > bound:
        raise ArtacError(
            ErrorKind.CONFLICT,
            f"Claude and its keeper alone have {needed >> 20}M in session {session.spec.id}: with "
            f"memory_max={bound >> 20}M they could not live (artac kill ends it)",
        )
    try:
        killed = await asyncio.to_thread(shedding.shed, directory, bound, frozenset(kept))
    except OSError as error:
        if not directory.exists():
            what = f"session {session.spec.id} has ended"
            raise ArtacError(ErrorKind.NOT_RUNNING, what) from None
        what = f"the kernel refused to bound memory: {error.strerror}"
        raise ArtacError(ErrorKind.FAILED, what) from None
    for one in killed:
        what = f"killed {one.name} (pid {one.pid}, {one.memory >> 20}M) for memory_max"
        log.warning("%s=%dM", what, bound >> 20, extra=session.about("limits"))


def _check_room(session: Session, changes: Mapping[str, Any]) -> None:
    """A bound below what is in use would not be met by waiting: the kernel kills for it at once."""
    if "memory_max" not in changes or session.cgroup is None:
        return
    used = usage.of_cgroup(session.cgroup).memory
    bound = limits.bytes_of(changes["memory_max"])
    if used is not None and bound is not None and used > bound:
        raise ArtacError(
            ErrorKind.CONFLICT,
            f"session {session.spec.id} uses {used >> 20}M: with memory_max={bound >> 20}M the "
            "kernel would kill processes of it; --force ends the largest of them, but for Claude",
        )
