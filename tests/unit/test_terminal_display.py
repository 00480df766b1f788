"""What of a session is on the user's terminal when its window and the session's change size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artac_daemon.cli.terminal.display import Display, reset
from artac_daemon.cli.terminal.following import Follower
from artac_daemon.keeper import wire

SMALL, LARGE = (20, 5), (30, 8)


class Terminal:
    """Stands for the user's, which takes everything."""

    rest = b""

    def __init__(self) -> None:
        self.written = b""

    def write(self, more: bytes = b"") -> None:
        self.written += more

    def taken(self) -> bytes:
        """What was written since the last call."""
        written, self.written = self.written, b""
        return written


class Shown:
    """A display in a window of that size, and what its keeper says."""

    def __init__(self, output: int, window: tuple[int, int]) -> None:
        self.asked = 0
        self.terminal = Terminal()
        self.follower = Follower(output, from_start=False)
        self.display = Display(
            self.terminal,  # type: ignore[arg-type]
            self.follower,
            window,
            fresh=True,
            ask=self._ask,
        )

    def _ask(self) -> None:
        self.asked += 1

    def said(self, size: tuple[int, int] | None, screen: bytes, at: int = 0) -> bytes:
        """What it shows of a size and a screen."""
        if size is not None:
            columns, rows = size
            self.follower.feed(
                wire.encode({"event": "size", "columns": columns, "rows": rows, "at": 0})
            )
        self.follower.feed(wire.placed(wire.SCREEN, at, screen))
        self.go_on()
        return self.terminal.taken()

    def go_on(self, last: bool = False) -> None:
        """Show what was said."""
        self.display.idle = False
        while not self.display.idle:
            self.display.show(last)


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "output", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def test_a_screen_that_was_shown_already_is_not_shown_again(output: int) -> None:
    shown = Shown(output, SMALL)
    shown.display.shown = True
    assert shown.said(SMALL, b"first") == b""
    assert b"second" in shown.said(None, b"second")


def test_a_window_that_changed_behind_its_first_screen_shows_the_next_one(output: int) -> None:
    shown = Shown(output, SMALL)
    shown.display.shown = True
    shown.display.resize(LARGE)
    assert shown.asked == 0  # the one that is there has yet to be gone through
    assert b"\x1b[?1049h" in shown.said(SMALL, b"first")
    assert shown.asked == 1
    # It is on the terminal's own screen already, from the first row on, and scrolls nothing away.
    assert shown.said(LARGE, b"second") == reset() + b"\x1b[H\rsecond"


def test_a_picture_that_has_yet_to_be_painted_goes_with_its_view(output: int) -> None:
    """Waiting for it would go on for ever, with all of a processor, and so would the end."""
    shown = Shown(output, LARGE)
    shown.said(SMALL, b"first")
    shown.said(None, b"second")
    assert shown.display.dirty  # not due yet
    shown.said(LARGE, b"third")
    assert not shown.display.dirty


def test_a_picture_that_has_yet_to_be_painted_goes_when_it_is_suspended(output: int) -> None:
    shown = Shown(output, LARGE)
    shown.said(SMALL, b"first")
    shown.said(None, b"second")
    assert shown.display.dirty
    shown.display.suspended()
    assert not shown.display.dirty


@pytest.mark.parametrize("window", [SMALL, LARGE], ids=["the same size", "painted"])
def test_what_was_said_while_it_was_suspended_is_not_shown_raw(
    output: int, window: tuple[int, int]
) -> None:
    """It belongs to a screen that is not on the terminal any more: the shell's is."""
    shown = Shown(output, window)
    shown.said(SMALL, b"first")
    shown.display.suspended()
    assert shown.asked == 1
    shown.terminal.taken()
    os.write(output, b"\x1b[2Jmeanwhile")
    shown.follower.feed(wire.placed(wire.DATA, 0, b"\x1b[2Jmeanwhile"))
    shown.go_on()
    assert shown.terminal.taken() == b""
    at = os.fstat(output).st_size
    first = shown.said(None, b"as it is", at)
    shown.go_on(last=True)  # a picture, too, that is not due yet
    assert b"as it is" in first + shown.terminal.taken()
    assert shown.follower.skipped == 0


def test_a_session_that_ends_while_it_is_suspended_shows_its_last_words(output: int) -> None:
    shown = Shown(output, SMALL)
    shown.said(SMALL, b"first")
    shown.display.suspended()
    os.write(output, b"last words")
    shown.follower.broke_off()
    shown.go_on(last=True)
    assert shown.terminal.taken().endswith(b"last words")
