"""A session's screen in a window of another size."""

from __future__ import annotations

import pytest

from artac_daemon.cli.terminal.view import View
from artac_daemon.keeper.vt.terminal import Terminal


class Window:
    """A view, and the user's terminal as it is painted."""

    def __init__(self, size: tuple[int, int], window: tuple[int, int]) -> None:
        self.view = View(size, window)
        self.user = Terminal(*window)
        self.user.feed(self.view.enter())

    def shows(self, data: bytes) -> list[str]:
        self.view.model.feed(data)
        self.user.feed(self.view.paint())
        return self.user.text()


def test_a_larger_window_has_a_margin() -> None:
    window = Window((10, 3), (20, 5))
    assert window.shows(b"one\r\n\x1b[31mtwo\x1b[m") == ["one", "two", "", "", ""]
    assert window.user.cursor == (1, 3) and window.user.alternate
    assert "\x1b[31m" in window.user.ansi()[1] or "\x1b[0;31m" in window.user.ansi()[1]
    # A character in the last column is not one that wraps.
    assert window.shows(b"\x1b[3;1H0123456789") == ["one", "two", "0123456789", "", ""]


def test_a_smaller_window_goes_with_the_cursor() -> None:
    window = Window((10, 4), (4, 2))
    assert window.shows(b"0123456789\r\nabcdefghij\x1b[1;1H") == ["0123", "abcd"]
    assert window.shows(b"\x1b[2;10H") == ["6789", "ghij"]
    assert window.user.cursor == (1, 3)
    assert window.shows(b"\x1b[3;8H") == ["ghij", ""]
    assert window.shows(b"\x1b[1;1H") == ["0123", "abcd"]
    # A wide character that is cut in two is not there.
    assert window.shows("\x1b[2J\x1b[Habc世".encode() + b"\x1b[H") == ["abc", ""]


def test_only_what_changed_is_painted() -> None:
    window = Window((20, 5), (30, 6))
    window.shows(b"one\r\ntwo\r\nthree")
    window.view.model.feed(b"\x1b[2;1HTWO")
    painted = window.view.paint()
    assert b"TWO" in painted and b"one" not in painted and b"three" not in painted
    assert window.view.paint() == b""
    window.view.model.feed(b"\x1b[H")
    assert 0 < len(window.view.paint()) < 60


@pytest.mark.parametrize("mode", [b"1000", b"1006", b"2004", b"1004", b"1"])
def test_the_programs_input_modes_are_the_users(mode: bytes) -> None:
    window = Window((20, 5), (30, 6))
    before = set(window.user.modes)
    window.shows(b"\x1b[?" + mode + b"h\x1b]0;a title\x07")
    assert int(mode) in window.user.modes and window.user.title == "a title"
    window.shows(b"\x1b[?" + mode + b"l")
    assert set(window.user.modes) == before
    window.shows(b"\x1b[?25l")
    assert not window.user.cursor_visible
    window.shows(b"\x1b[?1049h\x1b[Halternate\x1b[?25h")
    assert window.user.cursor_visible and window.user.text()[0] == "alternate"


def test_what_was_on_the_main_screen_can_be_left_behind() -> None:
    window = Window((20, 5), (8, 6))
    window.shows("one\r\n grüße and more\r\n".encode())
    assert window.view.last_lines().decode() == "one\r\n grüße a\r\n"
    window.shows(b"\x1b[?1049h")
    assert window.view.last_lines() == b""
