"""Finding the sessions again: look at disk, keepers and scopes, decide, and do what was decided."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from ..host import processes, scopes
from ..host.journal import about
from ..host.message_ids import MessageId
from ..host.store import Store, Stored
from ..model.end import EndFacts
from ..model.errors import ArtacError
from ..model.reconcile import Action, Keeper, RecordFound, ScopeFound, Verb, reconcile
from ..model.session import Kind, SessionSpec
from . import adopting, answering, lineage, moving
from . import link as links
from .placement import Places
from .session import Session
from .sessions import Sessions

log = logging.getLogger("artac.adoption")

# A keeper that is not stopped or stuck says hello at once. Those that do not are waited for
# together, so that this is what all of them cost a start.
_HELLO_LIMIT = 2.0


@dataclass
class Found:
    """A session directory with what answers for it."""

    stored: Stored
    keeper: Keeper
    link: links.Link | None = None
    hello: links.Hello | None = None

    @property
    def keeper_pid(self) -> int:
        """0 where no keeper is known of."""
        keeper = self.hello.keeper if self.hello else self.stored.keeper
        return keeper.pid if keeper else 0


@dataclass(frozen=True)
class Counts:
    adopted: int = 0
    ended: int = 0
    lost: int = 0


async def take_up(sessions: Sessions, use_scopes: bool) -> Counts:
    """Fill the table from what the machine holds. ArtacError when systemd cannot be asked."""
    store, places = sessions.store, sessions.places
    found = {
        item.stored.id: item
        for item in await asyncio.gather(
            *(_look(store, places, session_id) for session_id in store.ids())
        )
    }
    listed = {scope.id: scope for scope in await scopes.list_scopes()} if use_scopes else {}
    actions = reconcile(
        [_record(item) for item in found.values()],
        [_scope(scope, store) for scope in listed.values()],
    )
    counted = {Verb.ADOPT: 0, Verb.RECOVER: 0, Verb.FINISH: 0, Verb.LOSE: 0}
    for action in actions:
        item = found.get(action.id)
        try:
            if action.verb in (Verb.END_TREE, Verb.CLEAR_GHOST, Verb.LEAVE) and action.id in listed:
                await _for_scope(action, listed[action.id])
            elif item is not None:
                await _for_record(action, item, sessions)
        except (OSError, ArtacError) as error:
            log.error("session %s: %s failed: %s", action.id, action.verb.value, error)
            continue
        if action.verb in counted:
            counted[action.verb] += 1
    for item in found.values():
        if item.link is not None and not _is_adopted(sessions, item):
            item.link.close()
    lineage.connect(sessions.all())
    return Counts(
        adopted=counted[Verb.ADOPT] + counted[Verb.RECOVER],
        ended=counted[Verb.FINISH],
        lost=counted[Verb.LOSE],
    )


def _is_adopted(sessions: Sessions, item: Found) -> bool:
    return any(session.spec.id == item.stored.id and session.live for session in sessions.all())


# Looking


async def _look(store: Store, places: Places, session_id: str) -> Found:
    stored = store.read(session_id)
    try:
        for mended in store.mend_modes(session_id):
            log.warning("%s", mended)
        gone = stored.keeper is None or not processes.is_alive(stored.keeper)
        store.tidy(session_id, keeper_gone=gone and stored.spec is not None)
    except (ArtacError, OSError) as error:
        # One directory that is not ours is no reason to host none of the others.
        log.error("session %s: %s", session_id, error)
    if stored.end is not None and stored.spec is not None:
        return Found(stored, Keeper.GONE)
    try:
        link, pid = await links.connect(store.directory(session_id))
    except OSError:
        return Found(stored, _without_socket(stored, places))
    try:
        hello = await asyncio.wait_for(link.hello(), _HELLO_LIMIT)
    except TimeoutError:
        return Found(stored, _without_socket(stored, places), link)
    except ArtacError as error:
        log.warning("session %s: %s", session_id, error.message)
        return Found(stored, _without_socket(stored, places))
    why = _mistaken(stored, places, hello, pid)
    if why:
        log.error("session %s: not adopted: %s", session_id, why, extra=_about(stored, "refused"))
        link.close()
        return Found(stored, Keeper.MISTAKEN)
    return Found(stored, Keeper.ANSWERS, link, hello)


def _without_socket(stored: Stored, places: Places) -> Keeper:
    if stored.keeper is None or not processes.is_alive(stored.keeper):
        return Keeper.GONE
    if stored.spec is not None:
        where = places.placement(stored.id, stored.spec.placement, stored.keeper.pid)
        try:
            places.cgroup(stored.id, where, stored.keeper.pid)
        except ArtacError:
            return Keeper.MISTAKEN
    return Keeper.SILENT


def _mistaken(stored: Stored, places: Places, hello: links.Hello, pid: int) -> str:
    """Why what answers is not to be trusted; "" when identity and cgroup are as they should be."""
    if hello.session != stored.id:
        return f"the keeper of {hello.session} answers"
    if hello.keeper.pid != pid or processes.identify(pid) != hello.keeper:
        return f"pid {pid} answers as {hello.keeper}"
    if stored.keeper is not None and stored.keeper != hello.keeper:
        return f"its record names the keeper {stored.keeper}, {hello.keeper} answers"
    spec = stored.spec or _spec_of(hello)
    if spec is None:
        return "" if hello.claude is None else "it does not say what it keeps"
    try:
        places.cgroup(stored.id, places.placement(stored.id, spec.placement, pid), pid)
    except ArtacError as error:
        return error.message
    return ""


def _spec_of(hello: links.Hello) -> SessionSpec | None:
    if hello.spec is None:
        return None
    try:
        return SessionSpec.from_json(hello.spec)
    except (KeyError, ValueError, TypeError):
        return None


def _record(item: Found) -> RecordFound:
    stored = item.stored
    return RecordFound(
        id=stored.id,
        readable=stored.spec is not None,
        placement=stored.spec.placement if stored.spec else None,
        same_boot=stored.spec is not None and stored.spec.boot_id == processes.boot_id(),
        ended=stored.end is not None,
        keeper=item.keeper,
        started=stored.keeper is not None or stored.end is not None,
        written=stored.spec is not None or bool(stored.damage),
    )


def _scope(scope: scopes.Scope, store: Store) -> ScopeFound:
    return ScopeFound(
        id=scope.id,
        ours=scope.description == scopes.describe(scope.id, store.root),
        populated=scopes.is_populated(scope),
    )


# Doing


async def _for_scope(action: Action, scope: scopes.Scope) -> None:
    extra = about(action.id, "", action.verb.value)
    if action.verb is Verb.LEAVE:
        log.info("%s: left alone", action.why, extra=extra)
        return
    log.warning("%s: ended", action.why, extra=extra)
    await scopes.end(scope)


async def _for_record(action: Action, item: Found, sessions: Sessions) -> None:
    stored, store = item.stored, sessions.store
    for damage in stored.damage:
        log.error(
            "session %s: damaged record: %s", stored.id, damage, extra=_about(stored, "damaged")
        )
    if action.verb is Verb.FORGET:
        store.remove(stored.id)
        log.info("session %s: %s", stored.id, action.why)
        return
    if action.verb is Verb.SET_ASIDE:
        target = store.set_aside(stored.id)
        extra = about(stored.id, "", "set-aside", MessageId.SET_ASIDE)
        log.error("session %s: %s: set aside as %s", stored.id, action.why, target, extra=extra)
        return
    if action.verb is Verb.LEAVE:
        log.warning("session %s: %s: left alone", stored.id, action.why)
        return
    spec = stored.spec
    if action.verb is Verb.RECOVER and item.hello is not None:
        spec = _recover(action, item, store)
    if spec is None:
        return
    for damage in stored.damage:
        name = damage.partition(":")[0]
        if name != "spec":
            store.set_file_aside(stored.id, name)
    if action.verb in (Verb.ADOPT, Verb.RECOVER):
        spec = _corrected(spec, item, sessions)
    session = sessions.make(spec)
    session.times = sessions.events.histories.claim(spec.id, spec.created_at)
    session.stop_request = stored.stop
    session.granted = stored.granted
    if action.verb in (Verb.ADOPT, Verb.RECOVER):
        _adopt(session, item, sessions)
    elif action.verb is Verb.FINISH and stored.end is not None:
        session.conclude_quietly(stored.end)
    else:
        await session.end_here(EndFacts(at=time.time(), lost=action.why))


def _corrected(spec: SessionSpec, item: Found, sessions: Sessions) -> SessionSpec:
    """A backend that dies in the middle of a move has not written it down: the kernel knows."""
    actual = sessions.places.placement(spec.id, spec.placement, item.keeper_pid)
    if actual is spec.placement:
        return spec
    log.warning(
        "its record has it in %s and it is in %s: corrected",
        spec.placement.value,
        actual.value,
        extra=_about(item.stored, "adopted"),
    )
    spec = moving.relocated(spec, actual)
    sessions.store.write_spec(spec)
    return spec


def _recover(action: Action, item: Found, store: Store) -> SessionSpec | None:
    assert item.hello is not None
    spec = _spec_of(item.hello)
    if spec is None or spec.id != item.stored.id:
        return None
    if (store.directory(spec.id) / "spec").exists():
        store.set_file_aside(spec.id, "spec")
    store.write_spec(spec)
    log.warning("session %s: %s: written again", spec.id, action.why)
    return spec


def _adopt(session: Session, item: Found, sessions: Sessions) -> None:
    keeper = item.hello.keeper if item.hello else item.stored.keeper
    assert keeper is not None
    cgroup = sessions.places.cgroup(session.spec.id, session.spec.placement, keeper.pid)
    session.times.take_over()
    if item.link is None or item.hello is None:
        extra = session.about("unresponsive", MessageId.KEEPER_SILENT)
        log.warning("its keeper is alive and silent", extra=extra)
        session.attach_unresponsive(keeper, cgroup, item.link)
    else:
        session.attach(item.link, item.hello, cgroup)
        session.follow(from_last_state=True)
        if session.claude_state.busy and session.spec.kind is Kind.HEADLESS:
            sessions.in_background(answering.recall(session))
        if session.spec.kind is Kind.ADOPTED:
            sessions.in_background(adopting.resume(sessions, session))
        else:
            sessions.in_background(moving.settle(session, item.hello.cgroup))
        where = session.spec.placement.value
        extra = session.about("adopted", MessageId.ADOPTED)
        log.info("session adopted (%s)", where, extra=extra)
    session.times.taken_up(time.time())
    sessions.events.adopted(session)
    sessions.look_after(session)
    if session.stop_request is not None:
        # The backend that began this stop did not live to finish it.
        sessions.finish_stop(session, session.stop_request)


def _about(stored: Stored, event: str) -> dict[str, str]:
    return about(stored.id, stored.spec.name if stored.spec else "", event)
