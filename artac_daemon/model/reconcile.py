"""What to do about every session found at start: a pure function of what was found.

The machine is the truth and the records are what artac remembers of it; this is where the two are
laid side by side. Nothing here is signalled on less than a keeper's identity or a unit of our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .session import Placement, unit_name


class Keeper(Enum):
    """What was found of the keeper that a record names."""

    ANSWERS = "answers"  # handshake done, identity and cgroup as recorded
    SILENT = "silent"  # the very process is alive and has not answered in time
    MISTAKEN = (
        "mistaken"  # something answers that is not in the session's cgroup or of its identity
    )
    GONE = "gone"


@dataclass(frozen=True)
class RecordFound:
    """A session directory. `readable` is False where its spec is damaged or missing."""

    id: str
    readable: bool
    placement: Placement | None
    same_boot: bool
    ended: bool
    keeper: Keeper
    started: bool = True  # False: its keeper was never told to start Claude
    written: bool = True  # False: there is no spec at all


@dataclass(frozen=True)
class ScopeFound:
    """A session scope of the service user's manager. `ours`: of this state directory."""

    id: str
    ours: bool
    populated: bool

    @property
    def unit(self) -> str:
        return unit_name(self.id)


class Verb(Enum):
    ADOPT = "adopt"  # take the session up again
    FINISH = "finish"  # it has ended, and how is on disk
    LOSE = "lose"  # it has ended, and how cannot be known
    RECOVER = "recover"  # write its record again from what its keeper knows, then adopt
    FORGET = "forget"  # a start that was cut off before it was on disk: remove what there is
    SET_ASIDE = "set-aside"  # move a damaged record out of the way
    END_TREE = "end-tree"  # processes of ours that nobody keeps: end them by their unit
    CLEAR_GHOST = "clear-ghost"  # a unit of ours with nothing in it
    LEAVE = "leave"  # not ours, or not to be judged yet: say so and touch nothing


@dataclass(frozen=True)
class Action:
    verb: Verb
    id: str
    why: str


def reconcile(records: Iterable[RecordFound], scopes: Iterable[ScopeFound]) -> list[Action]:
    """The actions, in the order in which they are safe: trees without a keeper end last."""
    actions: list[Action] = []
    kept: set[str] = set()
    known = {record.id: record for record in records}
    for record in sorted(known.values(), key=lambda record: record.id):
        action = _for_record(record)
        actions.append(action)
        if action.verb in (Verb.ADOPT, Verb.RECOVER, Verb.LEAVE):
            kept.add(record.id)
    for scope in sorted(scopes, key=lambda scope: scope.id):
        if scope.id in kept:
            continue
        actions.append(_for_scope(scope, known.get(scope.id)))
    return actions


def _for_record(record: RecordFound) -> Action:
    if not record.readable:
        if record.keeper is Keeper.ANSWERS:
            return Action(Verb.RECOVER, record.id, "its record is damaged and its keeper answers")
        if record.keeper is Keeper.SILENT:
            return Action(Verb.LEAVE, record.id, "its record is damaged and its keeper is silent")
        if not record.written and not record.started:
            return Action(Verb.FORGET, record.id, "its start was cut off; nothing of it ran")
        return Action(Verb.SET_ASIDE, record.id, "its record is damaged and no keeper answers")
    if record.ended:
        return Action(Verb.FINISH, record.id, "its end is on disk")
    if record.keeper is Keeper.ANSWERS:
        return Action(Verb.ADOPT, record.id, "its keeper answers")
    if record.keeper is Keeper.SILENT:
        return Action(Verb.ADOPT, record.id, "its keeper is alive and has not answered yet")
    return Action(Verb.LOSE, record.id, _why_lost(record))


def _why_lost(record: RecordFound) -> str:
    if not record.same_boot:
        return "the machine went down while it ran, and nobody could note how it ended"
    if record.keeper is Keeper.MISTAKEN:
        return "what answers for it is not the process that was started for it"
    if not record.started:
        return "the backend went away before it was started; nothing of it ran"
    return "its keeper was killed, so nobody could note how it ended"


def _for_scope(scope: ScopeFound, record: RecordFound | None) -> Action:
    if not scope.ours:
        return Action(
            Verb.LEAVE, scope.id, f"{scope.unit} belongs to another artac of this account"
        )
    if not scope.populated:
        return Action(Verb.CLEAR_GHOST, scope.id, f"{scope.unit} is active and empty")
    if record is None:
        return Action(
            Verb.END_TREE, scope.id, f"{scope.unit} has processes, no record and no keeper"
        )
    return Action(Verb.END_TREE, scope.id, f"{scope.unit} has processes and no keeper")
