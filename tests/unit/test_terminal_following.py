"""What a client of a terminal shows, from what the keeper tells and what the output file has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artac_daemon.cli.terminal import following, frames
from artac_daemon.cli.terminal.following import ASK, CUT, SIZE, Follower, Item
from artac_daemon.cli.terminal.frames import DATA, MESSAGE, SCREEN, Damaged, Frames, frame
from artac_daemon.keeper import wire
from tests.support import cache


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "output", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def said(follower: Follower, *sent: bytes) -> list[Item]:
    for data in sent:
        follower.feed(data)
    items: list[Item] = []
    while (item := follower.step()) is not None:
        if items and item[0] == DATA == items[-1][0]:
            items[-1] = (DATA, items[-1][1] + item[1])
        else:
            items.append(item)
    return items


def size(columns: int, rows: int, at: int) -> bytes:
    return wire.encode({"event": "size", "columns": columns, "rows": rows, "at": at})


def test_frames_are_those_of_the_keeper() -> None:
    for kind in ("MESSAGE", "DATA", "SCREEN", "REPORT", "MAX_FRAME"):
        assert getattr(frames, kind) == getattr(wire, kind)
    assert frame(DATA, b"typed") == wire.frame(wire.DATA, b"typed")
    sent = size(80, 24, 7) + wire.placed(SCREEN, 1 << 40, "grüße".encode()) + frame(DATA, b"")
    for cut in range(len(sent)):
        mine, found = Frames(), []
        for piece in (sent[:cut], sent[cut:]):
            mine.feed(piece)
            while (got := mine.next()) is not None:
                found.append(got)
        assert found == wire.Frames().feed(sent)
    assert frames.placed(found[1][1]) == (1 << 40, "grüße".encode())
    assert frames.number(found[0][1], b"columns") == 80


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", b"\x02\xff\xff\xff\xff", b"\x09\0\0\0\0"])
def test_no_protocol_is_told(output: int, sent: bytes) -> None:
    follower = Follower(output, from_start=False)
    follower.feed(sent)
    with pytest.raises(Damaged):
        follower.step()


def test_gaps_are_read_from_the_file(output: int) -> None:
    os.write(output, b"0123456789" * 10)
    follower = Follower(output, from_start=False)
    items = said(
        follower,
        size(80, 24, 10),
        wire.placed(DATA, 5, b"lost"),  # before there is a screen
        wire.placed(SCREEN, 10, b"screen"),
        wire.placed(DATA, 14, b"45"),
        wire.placed(DATA, 16, b"67"),
        wire.placed(DATA, 25, b""),
    )
    assert items == [(SCREEN, b"screen"), (DATA, b"012345" + b"678901234")]
    assert follower.size == (80, 24)
    assert follower.goes_on(wire.placed(DATA, 25, b"5"))
    assert not follower.goes_on(wire.placed(DATA, 27, b"7"))
    assert said(follower, wire.placed(DATA, 27, b"7")) == [(DATA, b"67")]


def test_from_the_start_everything_comes(output: int) -> None:
    os.write(output, b"0123456789")
    follower = Follower(output, from_start=True)
    assert said(follower, size(80, 24, 0), wire.placed(DATA, 10, b"")) == [
        (SIZE, b""), (DATA, b"0123456789")
    ]  # fmt: skip


def test_a_size_counts_from_its_offset_on(output: int) -> None:
    os.write(output, b"0123456789")
    follower = Follower(output, from_start=False)
    assert said(follower, size(80, 24, 2), wire.placed(SCREEN, 2, b"s")) == [(SCREEN, b"s")]
    items = said(follower, size(70, 20, 5), wire.placed(DATA, 8, b"89"))
    assert items == [(DATA, b"234"), (SIZE, b""), (DATA, b"56789")]
    assert follower.size == (70, 20)


def test_a_screen_of_before_what_was_shown_is_gone_on_from(output: int) -> None:
    """A model lags: the size may have changed meanwhile, and what came with it comes again."""
    os.write(output, b"0123456789")
    follower = Follower(output, from_start=False)
    said(follower, size(80, 24, 0), wire.placed(SCREEN, 0, b"s"), size(70, 20, 6))
    assert follower.size == (70, 20)
    assert said(follower, wire.placed(SCREEN, 4, b"old")) == [
        (SCREEN, b"old"), (DATA, b"45"), (SIZE, b"")
    ]  # fmt: skip


def test_what_is_too_far_behind_is_passed_over(
    output: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FAR", 50)
    os.write(output, b"0123456789" * 100)
    follower = Follower(output, from_start=False)
    said(follower, size(80, 24, 0), wire.placed(SCREEN, 0, b"s"))
    assert said(follower, wire.placed(DATA, 500, b"01")) == [(ASK, b"")]
    assert said(follower, wire.placed(DATA, 502, b"23")) == []
    assert said(follower, wire.placed(SCREEN, 501, b"s")) == [(SCREEN, b"s"), (DATA, b"123")]
    assert follower.skipped == 501


def test_a_hole_is_not_shown(output: int) -> None:
    os.pwrite(output, b"end", 1 << 20)
    follower = Follower(output, from_start=False)
    said(follower, size(80, 24, 0), wire.placed(SCREEN, 0, b"s"))
    assert said(follower, wire.placed(DATA, (1 << 20) + 3, b"")) == [(ASK, b"")]
    screen = wire.placed(SCREEN, 1 << 20, b"s")
    assert said(follower, screen) == [(SCREEN, b"s"), (DATA, b"end")]
    assert follower.skipped == 1 << 20


def test_at_the_end_the_rest_comes_without_a_screen(
    output: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FAR", 50)
    monkeypatch.setattr(following, "_END", 20)
    os.write(output, b"0123456789" * 100)
    follower = Follower(output, from_start=False)
    said(follower, size(80, 24, 0), wire.placed(SCREEN, 0, b"s"))
    end = wire.encode({"event": "ended", "end": {"at": 1.0}, "at": 1000})
    items = said(follower, end)
    assert items[:2] == [(CUT, b""), (DATA, b"0123456789" * 2)]
    assert [kind for kind, _ in items] == [CUT, DATA, MESSAGE]
    assert follower.skipped == 980


def test_a_keeper_that_breaks_off_leaves_what_is_in_the_file(output: int) -> None:
    os.write(output, b"0123456789")
    follower = Follower(output, from_start=False)
    said(follower, size(80, 24, 4), wire.placed(SCREEN, 4, b"s"))
    follower.broke_off()
    assert said(follower) == [(DATA, b"456789")]


def test_an_attach_imports_nothing_that_costs_time_before_its_screen() -> None:
    script = (
        f"import sys; sys.path.append({str(cache.PROJECT)!r})\n"
        "from artac_daemon.cli import entry\n"
        "from artac_daemon.cli import asking\n"
        "from artac_daemon.cli.terminal import attachment, tty\n"
        "from artac_daemon import client_sockets\n"
        "print(*sorted(sys.modules))"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    costly = {
        "os", "re", "enum", "typing", "json", "socket", "struct", "argparse", "collections",
        "signal", "asyncio", "dataclasses", "contextlib", "functools", "subprocess", "__future__",
    }  # fmt: skip
    assert not loaded & costly


def test_who_looks_away_while_it_is_behind_is_told_what_it_missed(output: int) -> None:
    os.write(output, b"x" * 300_000)
    follower = Follower(output, from_start=True)
    follower.feed(size(80, 24, 0) + wire.placed(DATA, 300_000, b""))
    assert follower.step() == (SIZE, b"")
    shown = follower.step()
    assert shown is not None and shown[0] == DATA
    follower.look_away()
    assert said(follower, wire.placed(SCREEN, 300_000, b"screen")) == [(SCREEN, b"screen")]
    assert follower.skipped == 300_000 - len(shown[1])
