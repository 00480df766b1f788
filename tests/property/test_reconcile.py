"""What is decided about the sessions found at start, for whatever is found."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.model.reconcile import Keeper, RecordFound, ScopeFound, Verb, reconcile
from artac_daemon.model.session import Placement

IDS = ["bcdfgh", "k3f9q2", "mnpqrs", "tvwxz2"]
ids = st.sampled_from(IDS)
records = st.lists(
    st.builds(
        RecordFound,
        id=ids,
        readable=st.booleans(),
        placement=st.none() | st.sampled_from(Placement),
        same_boot=st.booleans(),
        ended=st.booleans(),
        keeper=st.sampled_from(Keeper),
        started=st.booleans(),
        written=st.booleans(),
    ),
    unique_by=lambda record: record.id,
    max_size=4,
)
scopes = st.lists(
    st.builds(ScopeFound, id=ids, ours=st.booleans(), populated=st.booleans()),
    unique_by=lambda scope: scope.id,
    max_size=4,
)

ENDS = {Verb.END_TREE, Verb.CLEAR_GHOST}
KEEPS = {Verb.ADOPT, Verb.RECOVER, Verb.LEAVE}
GIVES_UP = {Verb.LOSE, Verb.FORGET, Verb.SET_ASIDE, Verb.END_TREE, Verb.CLEAR_GHOST}
LIVES = {Keeper.ANSWERS, Keeper.SILENT}


@given(records, scopes)
def test_every_record_and_every_scope_gets_exactly_one_action(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    actions = reconcile(found, units)
    of_records = actions[: len(found)]
    assert sorted(action.id for action in of_records) == sorted(record.id for record in found)
    # A scope whose session is taken up, or left alone, goes with it.
    kept = {action.id for action in of_records if action.verb in KEEPS}
    others = Counter(action.id for action in actions[len(found) :])
    assert others == Counter(scope.id for scope in units if scope.id not in kept)
    assert all(action.why for action in actions)


@given(records, scopes)
def test_nothing_that_is_not_ours_is_ended(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    ours = {scope.id for scope in units if scope.ours}
    ended = {action.id for action in reconcile(found, units) if action.verb in ENDS}
    assert ended <= ours


@given(records, scopes)
def test_nothing_that_a_live_keeper_keeps_is_ended_or_lost(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    kept = {
        record.id
        for record in found
        if record.keeper in LIVES and not (record.readable and record.ended)
    }
    given_up = {action.id for action in reconcile(found, units) if action.verb in GIVES_UP}
    assert not kept & given_up


@given(records, scopes)
def test_a_session_is_lost_only_when_its_end_is_unknown_and_nobody_keeps_it(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    lost = {action.id for action in reconcile(found, units) if action.verb is Verb.LOSE}
    assert lost == {
        record.id
        for record in found
        if record.readable and not record.ended and record.keeper not in LIVES
    }


@given(records, scopes)
def test_an_end_on_disk_is_what_is_told(found: list[RecordFound], units: list[ScopeFound]) -> None:
    told = {action.id for action in reconcile(found, units) if action.verb is Verb.FINISH}
    assert told == {record.id for record in found if record.readable and record.ended}


@given(records, scopes)
def test_only_what_has_no_spec_and_never_ran_is_deleted(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    forgotten = {action.id for action in reconcile(found, units) if action.verb is Verb.FORGET}
    nothing_of_it = {r.id for r in found if not (r.readable or r.written or r.started)}
    assert forgotten <= nothing_of_it


@given(records, scopes)
def test_no_process_of_ours_is_left_without_a_keeper(
    found: list[RecordFound], units: list[ScopeFound]
) -> None:
    actions = reconcile(found, units)
    kept = {action.id for action in actions[: len(found)] if action.verb in KEEPS}
    ended = {action.id for action in actions if action.verb is Verb.END_TREE}
    assert ended == {s.id for s in units if s.ours and s.populated and s.id not in kept}


@given(records, scopes, st.randoms(use_true_random=False))
def test_the_order_of_what_was_found_does_not_matter(
    found: list[RecordFound], units: list[ScopeFound], chance: random.Random
) -> None:
    actions = reconcile(found, units)
    chance.shuffle(found)
    chance.shuffle(units)
    assert reconcile(iter(found), iter(units)) == actions
