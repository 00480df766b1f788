"""What terminals do with what programs send; most of it was recorded from tmux 3.3a."""

from __future__ import annotations

from pathlib import Path

import pytest

from artac_daemon.keeper.vt.terminal import Terminal

RECORDINGS = Path(__file__).parents[1] / "data" / "terminal"

# On 20 columns and 6 rows: what is sent, the first rows, the cursor. As tmux showed it, except what
# it does otherwise or has not: half a wide character, CUB from beyond the last column, the column
# after IL and DL, the soft reset's insert mode, HPR, newline mode, own tab stops. Those are by the
# rules that xterm documents, and were not recorded.
SEEN: dict[str, tuple[str, list[str], tuple[int, int]]] = {
    "a line that wraps": ("a" * 25 + "\r\nb", ["a" * 20, "a" * 5, "b"], (2, 1)),
    "the last column does not wrap yet": ("a" * 20, ["a" * 20], (0, 19)),
    "the last column, then a return": ("a" * 20 + "\rb", ["b" + "a" * 19], (0, 1)),
    "the last column, then back": ("a" * 20 + "\x1b[Db", ["a" * 18 + "ba"], (0, 19)),
    "no wrapping": ("\x1b[?7l" + "a" * 19 + "bcd\x1b[?7h", ["a" * 19 + "d"], (0, 19)),
    "tab stops": ("a\tb\tc\x1b[Zd", ["a       b       d"], (0, 17)),
    "own tab stops": ("\x1b[3g\x1b[5G\x1bH\r\tx\ty", ["    x" + " " * 14 + "y"], (0, 19)),
    "inserting": ("abcdef\x1b[3D\x1b[4hXY\x1b[4l", ["abcXYdef"], (0, 5)),
    "a region scrolls alone": (
        "1\r\n2\r\n3\r\n4\r\n5\r\n6\x1b[2;4r\x1b[4;1H\n\nx\x1b[r",
        ["1", "4", "", "x", "5", "6"],
        (0, 0),
    ),
    "reverse index": ("1\r\n2\r\n3\x1b[2;3r\x1b[2;1H\x1bMx\x1b[r", ["1", "x", "2"], (0, 0)),
    "origin mode": (
        "\x1b[3;5r\x1b[?6h\x1b[1;1Htop\x1b[9;2Hend\x1b[?6l\x1b[r",
        ["", "", "top", "", " end"],
        (0, 0),
    ),
    "moves stop at the region": (
        "\x1b[2;5r\x1b[3;3H\x1b[9Ax\x1b[9By\x1b[r",
        ["", "  x", "", "", "   y"],
        (0, 0),
    ),
    "lines inserted": ("1\r\n2\r\n3\r\n4\x1b[2;2H\x1b[2L", ["1", "", "", "2", "3", "4"], (1, 0)),
    "lines deleted": ("1\r\n2\r\n3\r\n4\x1b[2;2H\x1b[2M", ["1", "4"], (1, 0)),
    "scrolled up": ("1\r\n2\r\n3\x1b[2S", ["3"], (2, 1)),
    "scrolled down": ("1\r\n2\r\n3\x1b[2T", ["", "", "1", "2", "3"], (2, 1)),
    "cells inserted": ("abcdef\x1b[1;3H\x1b[2@", ["ab  cdef"], (0, 2)),
    "cells deleted": ("abcdef\x1b[1;3H\x1b[2P", ["abef"], (0, 2)),
    "cells erased": ("abcdef\x1b[1;3H\x1b[2X", ["ab  ef"], (0, 2)),
    "repeated": ("ab\x1b[3bc", ["abbbbc"], (0, 6)),
    "erased to the end": ("abcdef\x1b[1;3H\x1b[K", ["ab"], (0, 2)),
    "erased from the start": ("abcdef\x1b[1;3H\x1b[1K", ["   def"], (0, 2)),
    "erased above": ("abc\r\ndef\x1b[2;2H\x1b[1J", ["", "  f"], (1, 1)),
    "line drawing": ("\x1b(0lqqk\x1b(Bq", ["┌──┐q"], (0, 5)),
    "shifted out and in": ("\x1b)0a\x0eq\x0fq", ["a─q"], (0, 3)),
    "wide ones wrap whole": ("漢字x\r\n" + "a" * 19 + "漢b", ["漢字x", "a" * 19, "漢b"], (2, 3)),
    "half a wide one": ("漢字\x1b[1;2Hx", [" x字"], (0, 2)),
    "marks join": (
        "e\u0301x👩\u200d👧",
        ["e\u0301x👩\u200d👧"],
        (0, 6),
    ),
    "saved and restored": ("ab\x1b7\x1b[4;4Hx\x1b8y", ["aby", "", "", "   x"], (0, 3)),
    "alternate and back": ("main\x1b[?1049halt\x1b[?1049lx", ["mainx"], (0, 5)),
    "alignment": ("\x1b#8\x1b[2;2Hx", ["E" * 20, "Ex" + "E" * 18, *["E" * 20] * 4], (1, 2)),
    "relative moves": (
        "a\x1b[3ab\x1b[2ec\x1b[5`d\x1b[2de",
        ["a   b", "     e", "    dc"],
        (1, 6),
    ),
    "a control in a sequence": ("a\x1b[2\n;3Hb", ["a", "  b"], (1, 3)),
    "sequences that are broken off": ("a\x1b[3\x18b\x1b]0;t\x1b[1mc", ["abc"], (0, 3)),
    "next line": ("ab\x1bEc\x1bDd", ["ab", "c", " d"], (2, 2)),
    "lines on and back": ("abc\x1b[2Ed\x1b[Fe", ["abc", "e", "d"], (1, 1)),
    "soft reset": ("\x1b[2;3r\x1b[4h\x1b[!pab\x1b[1;1Hc", ["cb"], (0, 1)),
    "newline mode": ("\x1b[20ha\nb", ["a", "b"], (1, 1)),
    "strings are not shown": (
        "a\x1bPq1\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e",
        ["abcde"],
        (0, 5),
    ),
    "queries are not shown": ("\x1b[c\x1b[>0q\x1b[?u\x1b[6n\x1b[14t\x1b]11;?\x07a", ["a"], (0, 1)),
}


@pytest.mark.parametrize("name", SEEN)
def test_it_is_shown_as_terminals_show_it(name: str) -> None:
    sent, rows, cursor = SEEN[name]
    terminal = Terminal(20, 6)
    terminal.feed(sent.encode())
    assert terminal.text() == rows + [""] * (6 - len(rows))
    assert terminal.cursor == cursor


def test_invalid_bytes_are_replaced() -> None:
    terminal = Terminal(20, 2)
    terminal.feed(b"a\xff\xc3b\xe6\xbcc")
    assert terminal.text()[0] == "a\ufffd\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("sent", "row"),
    [
        ("\x1b[1ma\x1b[22mb", "\x1b[1ma\x1b[mb"),
        ("\x1b[38;2;1;2;3ma", "\x1b[38;2;1;2;3ma\x1b[m"),
        ("\x1b[38:2::1:2:3ma", "\x1b[38;2;1;2;3ma\x1b[m"),
        ("\x1b[38:5:200ma", "\x1b[38;5;200ma\x1b[m"),
        ("\x1b[91;42ma", "\x1b[91;42ma\x1b[m"),
        ("\x1b[4:3;58:2::1:2:3ma", "\x1b[4:3;58:2::1:2:3ma\x1b[m"),
        ("\x1b[21ma\x1b[24mb", "\x1b[4:2ma\x1b[mb"),
        ("\x1b[1;31ma\x1b[7mb", "\x1b[1;31ma\x1b[0;1;7;31mb\x1b[m"),
        ("\x1b[44m\x1b[2Kx", "\x1b[44mx         \x1b[m"),
        ("\x1b[1;44mab\x1b[K", "\x1b[1;44mab\x1b[0;44m        \x1b[m"),
        ("\x1b[38;5;1", ""),
        ("\x1b[38;2;1ma", "a"),
        (
            "\x1b]8;id=1;http://a/\x07ab\x1b]8;;\x07c",
            "\x1b]8;id=1;http://a/\x1b\\ab\x1b]8;;\x1b\\c",
        ),
    ],
)
def test_pens_and_links_are_kept(sent: str, row: str) -> None:
    terminal = Terminal(10, 2)
    terminal.feed(sent.encode())
    assert terminal.ansi()[0] == row


def test_part_of_a_row_has_all_its_columns() -> None:
    terminal = Terminal(10, 1)
    terminal.feed("\x1b[1mab漢c".encode())
    assert terminal.row(0, 1, 3) == "\x1b[1mb \x1b[m"
    assert terminal.row(0, 3) == "\x1b[1m c\x1b[m     "


def test_a_recorded_session_ends_as_it_looked() -> None:
    """Claude Code's own output; the screen is what tmux 3.3a made of it."""
    output = (RECORDINGS / "claude-code-2.1.330").read_bytes()
    expected = (RECORDINGS / "claude-code-2.1.330.screen").read_text().splitlines()
    terminal = Terminal(100, 30)
    leaving = output.index(b"\x1b[?1006l")
    terminal.feed(output[:leaving])
    assert terminal.text() == expected and terminal.cursor == (27, 7)
    assert terminal.title == "✳ Claude Code" and terminal.alternate
    assert {1000, 1002, 1003, 1006, 2004, 2031, 1004} <= set(terminal.modes)
    assert not terminal.cursor_visible
    terminal.feed(output[leaving:])
    assert not terminal.alternate and not set(terminal.modes) - {7, 25}
    assert terminal.cursor_visible and terminal.cursor == (3, 0)


def test_lines_leave_by_the_top_of_the_main_screen_only() -> None:
    told: list[str] = []
    terminal = Terminal(10, 3, on_line=told.append)
    terminal.feed(b"1\r\n\x1b[31m2\x1b[m\r\n3\r\n4\r\n5")
    assert terminal.history == told == ["1", "\x1b[31m2\x1b[m"]
    terminal.feed(b"\x1b[?1049h" + b"x\r\n" * 9 + b"\x1b[?1049l")
    terminal.feed(b"\x1b[2;3r\x1b[3;1H\n\n\x1b[r")
    assert terminal.history == told == ["1", "\x1b[31m2\x1b[m"]
    terminal.feed(b"\x1b[1;2r\x1b[2;1H\n\x1b[r")
    assert told[2:] == ["3"]
    terminal.feed(b"\x1b[3J")
    assert terminal.history == [] and len(told) == 3


def test_history_is_bounded_by_number_and_size() -> None:
    terminal = Terminal(80, 5, keep_lines=10)
    terminal.feed(b"".join(b"%d\r\n" % number for number in range(100)))
    assert terminal.history == [str(number) for number in range(86, 96)]
    terminal = Terminal(80, 5, keep_bytes=2000)
    terminal.feed((b"x" * 79 + b"\r\n") * 100)
    assert 10 <= len(terminal.history) < 2000 // 79
    nothing = Terminal(80, 5, keep_lines=0)
    nothing.feed(b"x\r\n" * 100)
    assert nothing.history == []


def test_fewer_rows_take_blank_ones_first_then_the_top() -> None:
    terminal = Terminal(10, 6)
    terminal.feed(b"1\r\n2\r\n3\r\n4")
    terminal.resize(10, 4)
    assert terminal.text() == ["1", "2", "3", "4"] and terminal.history == []
    terminal.resize(10, 2)
    assert terminal.text() == ["3", "4"] and terminal.history == ["1", "2"]
    assert terminal.cursor == (1, 1)
    terminal.resize(1, 3)
    assert terminal.text() == ["3", "4", ""] and terminal.cursor == (1, 0)


def test_the_alternate_screen_is_cut_and_the_main_one_kept() -> None:
    terminal = Terminal(10, 4)
    terminal.feed(b"1\r\n2\r\n3\x1b[?1049h\x1b[2;3r\x1b[1;1Ha\r\nb\r\nc\r\nd")
    terminal.resize(8, 2)
    assert len(terminal.text()) == 2 and terminal.history == ["1"]
    terminal.feed(b"\x1b[?1049lx")
    assert terminal.text() == ["2", "3x"]


def test_titles_are_pushed_and_popped() -> None:
    terminal = Terminal(10, 2)
    terminal.feed(b"\x1b]0;one\x07\x1b[22;0t\x1b]2;two\x1b\\")
    assert terminal.title == "two"
    terminal.feed(b"\x1b]1;icon\x07\x1b[23;0t")
    assert terminal.title == "one"


def test_each_screen_has_a_keyboard_of_its_own() -> None:
    terminal = Terminal(10, 2)
    terminal.feed(b"\x1b[>1u\x1b[?1049h\x1b[>5u\x1b[=2;2u")
    assert terminal.current.keyboard == [0, 7]
    terminal.feed(b"\x1b[<9u\x1b[?1049l")
    assert terminal.other.keyboard == [0] and terminal.current.keyboard == [0, 1]
