"""Whatever was seen of an end, there is one reason, one line, and evidence in single lines."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.claude.stream import Result
from artac_daemon.daemon.evidence import Circumstances, evidence, sentence
from artac_daemon.daemon.last_words import LastTurn
from artac_daemon.daemon.lines import Extent
from artac_daemon.host.unit_state import UnitState
from artac_daemon.model.end import EndFacts, Reason, verdict
from artac_daemon.model.session import Placement, State, StopRequest
from tests.property.test_records import ends, stops

texts = st.text(max_size=20)
times = st.floats()  # a record may hold any
results = st.builds(
    Result,
    failed=st.booleans(),
    interrupted=st.booleans(),
    text=texts,
    cost_usd=st.none(),
    turns=st.none(),
    message_uuids=st.none(),
)
placements = st.sampled_from(Placement)
circumstances = st.builds(
    Circumstances,
    placement=placements,
    state=st.sampled_from([state for state in State if state is not State.ENDED]),
    since=times,
    end=st.none(),
    stop=st.none() | stops,
    unit=st.none() | st.builds(UnitState, texts, st.booleans(), texts, texts, texts, texts, texts),
    booted_at=times,
    same_boot=st.booleans(),
    output=st.builds(Extent, st.integers(0, 9), st.integers(0, 9)),
    written_at=st.none() | times,
    turn=st.none() | st.builds(LastTurn, st.none() | results, st.booleans()),
    keeper=texts,
    claude=texts,
    frozen=st.booleans(),
)


@given(ends, placements)
def test_every_end_has_a_reason_and_a_sentence_of_one_line(
    facts: EndFacts, placement: Placement
) -> None:
    end = verdict(facts, placement)
    assert end.reason in Reason and len(end.sentence.splitlines()) == 1


@given(ends, circumstances)
def test_every_end_has_evidence_in_single_lines(facts: EndFacts, around: Circumstances) -> None:
    end = verdict(facts, around.placement)
    found = evidence(replace(around, state=State.ENDED, end=end))
    for item in found:
        assert len(item.said.splitlines()) == 1 and item.said.strip()
        assert item.said.startswith("perhaps") is not item.certain
    assert [item.certain for item in found] == sorted((i.certain for i in found), reverse=True)
    assert found[0].what == "claude" and {"keeper", "asked", "memory", "machine"} <= {
        item.what for item in found
    }


@given(circumstances)
def test_what_a_live_session_does_is_told_as_fact(around: Circumstances) -> None:
    assert "not ended" in sentence(around) and "since" in sentence(around)
    assert all(item.certain and len(item.said.splitlines()) <= 1 for item in evidence(around))


@given(ends, placements)
def test_memory_that_ran_out_is_the_cause_whatever_else_was_under_way(
    facts: EndFacts, placement: Placement
) -> None:
    seen = replace(facts, error="", lost="", signal=9, exit_code=None, oom_kills=1)
    assert verdict(seen, placement).reason is Reason.OOM


@given(ends, placements, st.sampled_from(["stop", "kill", "drain", "limit", "timeout", "overdue"]))
def test_who_asked_for_it_counts_more_than_how_it_went(
    facts: EndFacts, placement: Placement, why: str
) -> None:
    asked = StopRequest("alice (uid 1000)", why, 1.0)
    seen = replace(facts, error="", lost="", oom_kills=0, stop=asked)
    expected = {
        "stop": "stopped", "kill": "killed", "drain": "backend-stopped",
        "limit": "limit", "timeout": "timeout", "overdue": "timeout",
    }  # fmt: skip
    assert verdict(seen, placement).reason.value == expected[why]
