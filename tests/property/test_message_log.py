"""The file of a session's messages: what was accepted is there, wherever it is damaged or cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.host import message_log
from artac_daemon.model.message import (
    REMEMBERED,
    Ledger,
    MessageState,
    accepted,
    moved,
)

STATES = [state for state in MessageState if state is not MessageState.UNDELIVERED]


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="artac-messages-") as root:
        yield Path(root, "messages")


def ledger(notes: list[dict[str, Any]]) -> Ledger:
    found = Ledger()
    for note in notes:
        found.take(note)
    return found


def shown(found: Ledger) -> list[tuple[str, str, str | None]]:
    return [(m.uuid, m.state.value, m.text if m.untaken else None) for m in found]


def some(number: int) -> list[dict[str, Any]]:
    """That many messages, each with a text that has line breaks and more in it."""
    return [accepted(f"u{i}", f'text {i}\n"\u2028\x00é', float(i), "by", i) for i in range(number)]


NOTES = st.lists(
    st.one_of(
        st.integers(0, 5).map(lambda i: some(6)[i]),
        st.builds(
            lambda i, state: moved(f"u{i}", state, 1.0, outcome="success", result=3, by="x"),
            st.integers(0, 6),
            st.sampled_from(STATES),
        ),
    ),
    max_size=30,
)


def test_a_cut_at_any_byte_loses_only_what_was_being_written() -> None:
    notes = some(3)
    with place() as path:
        message_log.append(path, notes[:2], durable=True)
        before = path.stat().st_size
        message_log.append(path, notes[2:], durable=True)
        whole = path.read_bytes()
        for cut in range(before, len(whole)):
            path.write_bytes(whole[:cut])
            assert message_log.read(path) == notes[:2]
            message_log.append(path, [notes[2]], durable=True)
            assert message_log.read(path) == notes
        assert path.stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_byte_costs_one_message_at_most(at: int, value: int) -> None:
    notes = some(4)
    with place() as path:
        message_log.append(path, notes, durable=False)
        data = bytearray(path.read_bytes())
        data[at % len(data)] = value
        path.write_bytes(data)
        after = ledger(message_log.read(path))
    left = {message.uuid: message.text for message in after}
    kept = [note for note in notes if left.get(note["uuid"]) == note["text"]]
    assert len(kept) >= len(notes) - 2  # a line break that is gone joins two lines


@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_a_message_is_added_behind_it(content: bytes) -> None:
    with place() as path:
        path.write_bytes(content)
        message_log.append(path, some(1), durable=True)
        assert message_log.read(path)[-1] == some(1)[0]


@given(NOTES)
def test_a_file_written_anew_says_the_same(notes: list[dict[str, Any]]) -> None:
    with place() as path:
        before = ledger(notes)
        message_log.replace(path, before.notes())
        after = ledger(message_log.read(path))
        assert shown(after) == shown(before)
        assert [(m.head, m.at, m.by, m.offset, m.outcome, m.result, m.since) for m in after] == [
            (m.head, m.at, m.by, m.offset, m.outcome, m.result, m.since) for m in before
        ]
        assert not list(path.parent.glob(".*"))


@given(NOTES, NOTES)
def test_states_go_forward_only_and_notes_may_come_twice(
    notes: list[dict[str, Any]], more: list[dict[str, Any]]
) -> None:
    once, twice = ledger(notes + more), ledger(notes + notes + more)
    assert [m.uuid for m in once] == [m.uuid for m in twice]
    for message in ledger(notes):
        later = once.find(message.uuid)
        assert later is not None
        if message.state is MessageState.CANCELLED:
            assert later.state is MessageState.CANCELLED
        if message.state in (MessageState.TAKEN, MessageState.ANSWERED):
            assert later.state in (MessageState.TAKEN, MessageState.ANSWERED)


def test_texts_of_what_claude_has_go_and_only_the_newest_are_remembered() -> None:
    notes = some(REMEMBERED + 50)
    found = ledger(notes)
    for note in notes[10:]:
        found.take(moved(note["uuid"], MessageState.TAKEN, 5.0))
    with place() as path:
        message_log.replace(path, found.notes())
        again = ledger(message_log.read(path))
    assert [m.uuid for m in again.untaken()] == [f"u{i}" for i in range(10)]
    assert len([m for m in again if not m.untaken]) == REMEMBERED
    assert all(m.text is None and m.head for m in again if not m.untaken)
    assert again.find(notes[-1]["uuid"]) is not None


@pytest.mark.parametrize("what", ["write", "fsync"])
def test_what_cannot_be_written_is_not_there(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, *data: bytes) -> int:
        real(fd, *[part[: len(part) // 2] for part in data])
        raise OSError(28, "No space left on device")

    with place() as path:
        message_log.append(path, some(1), durable=True)
        real = getattr(os, what)
        monkeypatch.setattr(os, what, full)
        with pytest.raises(OSError, match="No space"):
            message_log.append(path, some(2)[1:], durable=True)
        monkeypatch.undo()
        assert message_log.read(path) == some(1)


@pytest.mark.parametrize(
    "note",
    [{}, {"is": "accepted"}, {"is": "accepted", "uuid": 1, "text": "", "at": 0, "offset": 0},
     {"is": "accepted", "uuid": "u", "text": ["x"], "at": 0, "offset": 0},
     {"is": "accepted", "uuid": "u", "text": "x", "at": "soon", "offset": 0},
     {"is": "undelivered", "uuid": "u0", "at": 1}, {"is": "eaten", "uuid": "u0", "at": 1}],
)  # fmt: skip
def test_what_is_no_note_is_passed_over(note: dict[str, Any]) -> None:
    found = ledger(some(1))
    assert not found.take(note)
    assert shown(found) == shown(ledger(some(1)))
