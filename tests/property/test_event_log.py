"""The event log: whole lines and every end exactly once, wherever a backend was killed."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artac_daemon.daemon.event_file import EventFile
from artac_daemon.daemon.event_log import CHECKPOINT, EventLog
from artac_daemon.model.end import EndFacts, verdict
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Kind, Placement, SessionSpec, State


def session(session_id: str, ended: bool) -> Any:
    """What the log looks at of a session."""
    spec = SessionSpec(
        id=session_id, name=f"n-{session_id}", kind=Kind.HEADLESS, placement=Placement.DETACHED,
        persistent=True, cwd="/", claude_session_id="x", created_at=1.0, boot_id="b",
    )  # fmt: skip
    end = verdict(EndFacts(at=2.0, exit_code=0), spec.placement) if ended else None
    state = State.ENDED if ended else State.IDLE
    return SimpleNamespace(spec=spec, end=end, state=state)


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="artac-events-") as root:
        yield Path(root, "events")


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line from the first whole one on; fails for one that is not whole."""
    data = path.read_bytes().lstrip(b"\0")
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def backend(path: Path, sessions: list[Any], cut: int | None = None) -> None:
    """One backend's start over what is on disk; it dies with its file cut off there."""
    log = EventLog(path)
    log.open()
    log.catch_up(sessions, [item.spec.id for item in sessions])
    log.close()
    if cut is not None:
        os.truncate(path, min(cut, path.stat().st_size))


@given(st.lists(st.integers(0, 2000), max_size=4), st.integers(1, 4))
def test_a_kill_at_any_byte_loses_no_end_and_tells_none_twice(cuts: list[int], number: int) -> None:
    sessions = [session(f"bcdfg{index + 2}", True) for index in range(number)]
    with place() as path:
        for cut in cuts:
            backend(path, sessions, cut)
        for _ in range(2):
            backend(path, sessions)
        told = lines(path)
    ends = Counter(line["session"] for line in told if line["event"] == "ended")
    starts = Counter(line["session"] for line in told if line["event"] == "started")
    assert ends == starts == {item.spec.id: 1 for item in sessions}


@given(st.binary(max_size=400))
def test_whatever_is_in_the_file_a_backend_goes_on_behind_it(content: bytes) -> None:
    with place() as path:
        path.write_bytes(content)
        backend(path, [session("bcdfg2", True)])
        kept = content[: content.rfind(b"\n") + 1]
        assert path.read_bytes().startswith(kept)
        added = path.read_bytes()[len(kept) :].splitlines()
    assert [json.loads(line)["event"] for line in added] == ["backend-started", "started", "ended"]


@given(st.integers(-3, 400))
def test_a_cursor_is_the_end_of_a_line_or_refused(offset: int) -> None:
    with place() as path:
        file = EventFile(path, lambda: None)
        file.open()
        for number in range(3):
            file.append({"event": "x", "number": number})
        ends = [0, *(at + 1 for at, byte in enumerate(path.read_bytes()) if byte == 10)]
        try:
            assert file.position(str(offset)) == (offset, 0)
            assert offset in ends
        except ArtacError as refused:
            assert refused.kind is ErrorKind.USAGE and offset not in ends
        assert file.position("now") == (ends[-1], 0)
        assert file.position("") == (0, 0)
        file.close()


@settings(max_examples=5)
@given(st.integers(2, 6))
def test_a_bounded_file_still_knows_which_ends_were_told(number: int) -> None:
    limit = 64 * 1024
    sessions = [session(f"bcdfg{index + 2}", True) for index in range(number)]

    async def fill(path: Path) -> None:
        log = EventLog(path, limit)
        log.open()
        log.catch_up(sessions, [item.spec.id for item in sessions])
        while log.file.position("")[0] < 2 * limit:
            log.write("padding", pad="x" * 500)
            await asyncio.sleep(0.001)  # a real log is not written to without a pause either
        first, dropped = log.file.position("1")
        assert dropped == first - 1
        log.close()

    with place() as path:
        asyncio.run(fill(path))
        size = path.stat().st_size
        assert path.stat().st_blocks * 512 < 2 * limit < size
        backend(path, sessions)
        with path.open("rb") as file:
            file.seek(size)
            added = [json.loads(line) for line in file]
        assert [line["event"] for line in added] == ["backend-started"]
        assert added[0]["starts"] == 2
        assert CHECKPOINT.encode() in path.read_bytes()


def test_a_session_that_vanished_has_ended_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "events"
    log = EventLog(path)
    log.open()
    log.started(session("bcdfg2", False))
    log.close()
    for _ in range(2):
        backend(path, [])
    told = [(line["event"], line.get("reason")) for line in lines(path) if line["session"]]
    assert told == [("started", None), ("ended", "lost"), ("removed", None)]


def test_nothing_is_told_of_a_start_that_is_not_through(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events")
    log.open()
    failing = session("bcdfg2", True)
    log.write("state", failing, old="starting", new="idle")
    log.ended(failing)
    assert len(lines(tmp_path / "events")) == 1
    # One that ended while its start was still being answered is told in order.
    log.started(failing)
    log.ended(failing)
    told = [line["event"] for line in lines(tmp_path / "events")]
    assert told == ["backend-started", "started", "ended"]
    assert (log.tally.started, log.tally.ends["completed"]) == (1, 1)
    log.close()


def test_ends_that_could_not_be_written_are_told_once_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog(tmp_path / "events")
    log.open()
    first, second = session("bcdfg2", False), session("bcdfg3", False)
    log.started(first)
    log.started(second)
    before = (tmp_path / "events").read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))  # as a full disk does
    for item in (first, second):
        item.end = session(item.spec.id, True).end
        log.ended(item)
    assert (tmp_path / "events").read_bytes() == before
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    monkeypatch.undo()
    log.write("x")
    told = [line["session"] for line in lines(tmp_path / "events") if line["event"] == "ended"]
    assert told == ["bcdfg2", "bcdfg3"]
    assert log.tally.ends["completed"] == 2
    log.close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "events").symlink_to(target)
    log = EventLog(tmp_path / "events")
    log.open()
    log.close()
    assert target.read_text() == "precious"
    with pytest.raises(ArtacError) as refused:
        log.file.position("now")
    assert refused.value.kind is ErrorKind.UNAVAILABLE
