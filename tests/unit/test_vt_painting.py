"""A terminal made to look like a session's, and brought back."""

from __future__ import annotations

from pathlib import Path

from artac_daemon.keeper.vt import painting
from artac_daemon.keeper.vt.terminal import Terminal

OUTPUT = (Path(__file__).parents[1] / "data" / "terminal" / "claude-code-2.1.330").read_bytes()


def test_what_was_in_the_window_scrolls_up_and_the_history_comes_after_it() -> None:
    session = Terminal(10, 3)
    session.feed(b"1\r\n2\r\n3\r\n4\r\n5")
    user = Terminal(10, 3)
    user.feed(b"$ artac\r\n")
    user.feed(painting.paint(session, 1))
    assert user.text() == session.text() == ["3", "4", "5"]
    assert user.history == ["$ artac", "2"]
    assert user.cursor == session.cursor


def test_it_appears_at_once_and_the_cursor_last() -> None:
    painted = painting.paint(Terminal(10, 3), 0)
    assert painted.startswith(b"\x1b[?2026h") and painted.endswith(b"\x1b[?25h\x1b[?2026l")


def test_the_main_screen_is_there_when_the_alternate_one_is_left() -> None:
    session = Terminal(20, 4)
    session.feed(b"\x1b[32m$ \x1b[mclaude\x1b[1m\x1b[?1049h\x1b[3;3H\x1b[>5u\x1b[?1003htui")
    user = Terminal(20, 4)
    user.feed(painting.paint(session, 100))
    assert user.alternate and user.text()[2] == "  tui"
    for terminal in (session, user):
        terminal.feed(b"\x1b[?1049lx")
    assert user.ansi() == session.ansi() == ["\x1b[32m$ \x1b[mclaude\x1b[1mx\x1b[m", "", "", ""]
    assert user.cursor == session.cursor


def test_a_cursor_beyond_the_last_column_is_there_again() -> None:
    session = Terminal(5, 2)
    session.feed(b"\x1b[44mabcde")
    user = Terminal(5, 2)
    user.feed(painting.paint(session, 0))
    for terminal in (session, user):
        terminal.feed(b"x")
    assert user.ansi() == session.ansi() == ["\x1b[44mabcde\x1b[m", "\x1b[44mx\x1b[m"]


def test_modes_alone_make_the_keys_and_the_mouse_right() -> None:
    session = Terminal(10, 3)
    session.feed(b"\x1b[?1;1002;1006;2004;1004h\x1b=\x1b[5 q\x1b[?25l\x1b[>3u\x1b]0;name\x07text")
    user = Terminal(10, 3)
    user.feed(b"\x1b[?1000;2031h" + painting.modes(session))
    assert set(user.modes) == set(session.modes)
    assert (user.keypad, user.cursor_style, user.title) == (True, 5, "name")
    assert user.current.keyboard[-1] == 3 and not user.cursor_visible
    assert user.text() == ["", "", ""] and user.cursor == (0, 0)


def test_reset_leaves_an_inline_programs_cursor_where_it_was() -> None:
    """DECRST 1049 goes to the saved cursor even where there is no alternate screen to leave."""
    user = Terminal(20, 6)
    user.feed(b"\x1b[?2004h\x1b[2;4r\x1b[1;31mone\r\ntwo" + painting.RESET)
    assert user.cursor == (1, 3) and user.text()[:2] == ["one", "two"]
    assert set(user.modes) == {7, 25} and not user.pen


def test_reset_ends_what_claude_code_set() -> None:
    for cut in range(0, len(OUTPUT), 97):
        user = Terminal(100, 30)
        user.feed(b"$ " + OUTPUT[:cut] + painting.RESET)
        assert not user.alternate and set(user.modes) == {7, 25} and not user.pen
        assert user.current.keyboard == [0] and user.other_keys == 0


def test_a_blank_main_screen_leaves_what_the_window_showed() -> None:
    terminal = Terminal(20, 5)
    terminal.feed(b"\x1b[?1049hall of it")
    window = Terminal(20, 5)
    window.feed(b"$ artac attach api\r\n")
    window.feed(painting.paint(terminal, 2000))
    assert window.text()[0] == "all of it"
    window.feed(b"\x1b[?1049l")
    assert window.text()[0] == "$ artac attach api"
