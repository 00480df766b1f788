"""Claude's stdin: whole lines, in order, each once, whatever its reader does."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.keeper import input as input_module
from artac_daemon.keeper.input import Full, Input

PIPE = 4096  # the smallest there is, so that lines are written in pieces

KEYS = ["", "", "a", "b", "c", "d"]
puts = st.tuples(st.just("put"), st.integers(0, 3 * PIPE), st.sampled_from(KEYS))
reads = st.tuples(st.just("read"), st.integers(1, 2 * PIPE), st.just(""))
pumps = st.tuples(st.just("pump"), st.just(0), st.just(""))
closes = st.tuples(st.sampled_from(["close", "leave", "abandon"]), st.just(0), st.just(""))
steps = st.lists(st.one_of(puts, puts, reads, pumps, pumps), max_size=40)


@dataclass
class Asked:
    """One line that somebody wanted written, and what they were told."""

    key: str
    line: bytes
    told: list[str] = field(default_factory=list)


class Pipe:
    """An Input before a real pipe, and what its reader got."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
        self.input = Input(writer)
        self.got = b""
        self.asked: list[Asked] = []

    def put(self, length: int, key: str) -> None:
        line = b"%d:%s\n" % (len(self.asked), b"x" * length)
        one = Asked(key, line)
        self.asked.append(one)
        self.input.put(line, key, one.told.append)

    def read(self, most: int) -> bool:
        """Whether the reader has reached the end of its input."""
        try:
            data = os.read(self.reader, most)
        except BlockingIOError:
            return False
        self.got += data
        return not data

    def step(self, what: str, number: int, key: str) -> None:
        if what == "put":
            self.put(number, key)
        elif what == "read" and self.reader >= 0:
            self.read(number)
        elif what == "pump":
            self.input.pump()
        elif what == "close":
            self.input.close()
        elif what == "abandon":
            self.input.abandon()
        elif what == "leave" and self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def finish(self) -> None:
        """Let everything through that still can get through, then look at what is open."""
        self.input.close()
        while self.input:
            if self.reader >= 0:
                self.read(1 << 20)
            self.input.pump()
        while self.reader >= 0:
            if self.read(1 << 20):
                os.close(self.reader)
                self.reader = -1

    def written(self) -> list[Asked]:
        return [one for one in self.asked if one.told == ["written"]]


def check_answers(pipe: Pipe) -> None:
    """Everybody is answered once; of a key one is written at most, the others are duplicates."""
    for one in pipe.asked:
        assert len(one.told) == 1, one
    for key in {one.key for one in pipe.asked} - {""}:
        told = [one.told[0] for one in pipe.asked if one.key == key]
        assert told.count("written") <= 1
        assert ("duplicate" in told) <= ("written" in told)
    assert all(one.told != ["duplicate"] for one in pipe.asked if not one.key)


@given(steps)
def test_lines_arrive_whole_in_order_and_each_key_once(
    done: list[tuple[str, int, str]],
) -> None:
    pipe = Pipe()
    for step in done:
        pipe.step(*step)
    pipe.finish()
    check_answers(pipe)
    assert pipe.got == b"".join(one.line for one in pipe.written())
    first = {one.key: one for one in reversed(pipe.asked) if one.key}
    assert pipe.written() == [one for one in pipe.asked if not one.key or first[one.key] is one]


@given(steps, closes, steps)
def test_an_input_that_ends_in_between_tells_everybody_and_cuts_at_most_its_last_line(
    before: list[tuple[str, int, str]],
    end: tuple[str, int, str],
    after: list[tuple[str, int, str]],
) -> None:
    pipe = Pipe()
    for step in [*before, end, *after]:
        pipe.step(*step)
    pipe.finish()
    check_answers(pipe)
    whole = b"".join(one.line for one in pipe.written())
    if end[0] != "leave":
        assert pipe.got.startswith(whole)
        assert pipe.got.count(b"\n") == len(pipe.written())
    if end[0] == "close":
        assert pipe.got == whole
    late = pipe.asked[len([step for step in before if step[0] == "put"]) :]
    if end[0] != "leave":
        assert all(one.told[0] in ("closed", "duplicate") for one in late)


@given(st.lists(st.integers(0, 600), max_size=20), st.integers(1, 2000))
def test_what_waits_is_bounded_and_who_is_refused_hears_nothing_else(
    lengths: list[int], bound: int
) -> None:
    pipe = Pipe()
    refused: list[Asked] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(input_module, "MAX_WAITING", bound)
        for number, length in enumerate(lengths):
            waiting = sum(len(one.line) for one in pipe.asked if one not in refused)
            try:
                pipe.put(length, f"key {number}")
            except Full:
                refused.append(pipe.asked[-1])
                assert waiting + len(pipe.asked[-1].line) > bound
        # Refused is not remembered: the same key may come again when there is room.
        again = [Asked(one.key, one.line) for one in refused if len(one.line) <= bound]
        pipe.input.pump()
        while pipe.input:
            pipe.read(1 << 20)
            pipe.input.pump()
        for one in again:
            pipe.asked.append(one)
            pipe.input.put(one.line, one.key, one.told.append)
            pipe.input.pump()
            pipe.read(1 << 20)
    pipe.finish()
    assert all(one.told == [] for one in refused)
    assert all(one.told == ["written"] for one in pipe.asked if one not in refused)
    assert pipe.got == b"".join(one.line for one in pipe.written())


def test_a_key_is_known_for_as_long_as_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_module, "MAX_KEYS", 3)
    pipe = Pipe()
    for key in ("a", "b", "c", "c", "d", "a", "d"):
        pipe.put(0, key)
        pipe.input.pump()
    pipe.finish()
    told = [one.told[0] for one in pipe.asked]
    assert told == ["written", "written", "written", "duplicate", "written", "written", "duplicate"]
