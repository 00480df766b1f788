"""Any event of Claude's, cut anywhere: what the hook client notes is true, and one line."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.claude import hooks, registry
from artac_daemon.keeper import hook
from artac_daemon.model.session import State

texts = st.text(st.characters(), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
wanted = st.sampled_from(["hook_event_name", "session_id", "tool_name", "reason", "source"])
events = st.dictionaries(wanted, texts) | st.dictionaries(wanted | texts, values)
events = st.builds(lambda a, b: {**a, **b}, events, st.fixed_dictionaries({"prompt": texts}))


@given(events, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_wanted_is_found_wherever_it_is(
    event: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    found = hook.fields(json.dumps(event, ensure_ascii=ascii_only, indent=indent))
    known = {name: json.loads(value) for name, value in found.items()}
    assert known.pop("prompt_length") == len(str(event["prompt"]))
    assert known.pop("prompt_head") == event["prompt"]
    expected = {k: v for k, v in event.items() if k in hook._NAMES and isinstance(v, str)}
    assert known == expected


@given(events, st.integers(0, 400))
def test_a_cut_event_tells_less_and_nothing_else(event: dict[str, object], length: int) -> None:
    text = json.dumps(event)
    whole, cut = hook.fields(text), hook.fields(text[:length])
    head = json.loads(cut.pop("prompt_head", '""'))
    assert str(event["prompt"]).startswith(head)
    assert cut.items() <= whole.items()
    assert all("\n" not in value for value in cut.values())


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_event_and_no_entry_is_none(data: bytes) -> None:
    found = hooks.read(data)
    assert found is None or hooks.next_state(State.IDLE, found) in State
    registry.read(data)


@given(
    st.integers(1, 1 << 22),
    st.sampled_from(["busy", "idle", "waiting", "shell", "new", None]),
    st.integers(0, 400),
)
def test_an_entry_is_whole_or_none(pid: int, status: str | None, length: int) -> None:
    text = json.dumps({"pid": pid, "procStart": "7", "status": status})
    entry = registry.read(text[:length])
    assert (entry is None) == (length < len(text))
    if entry is not None:
        assert (entry.pid, entry.start_time) == (pid, 7)
        assert (entry.state is None) == (status in ("new", None))
