"""What a program cannot do to its terminal's model: fill the memory, make it doubtful unseen."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from artac_daemon.keeper.vt.terminal import Terminal
from artac_daemon.keeper.vt.widths import NARROW, narrow, width

MANY = 10_000
# Each is new every time.
FLOODS = {
    "pens": lambda number: f"\x1b[38;2;{number >> 16};{number >> 8 & 255};{number & 255}mx",
    "both colours": lambda number: f"\x1b[38;2;0;0;{number & 255};48;5;{number >> 8}mx",
    "links": lambda number: f"\x1b]8;;http://a.example/{number}/{'y' * 500}\x07x",
    "clusters": lambda number: f"{chr(0x4E00 + number % 20000)}\u0301\u0302",
    "marks": lambda number: "\u0301",
    "titles": lambda number: f"\x1b]0;{number}{'t' * 300}\x07\x1b[22;0t",
    "keyboards": lambda number: f"\x1b[>{number % 32}u",
    "modes": lambda number: f"\x1b[?{number}h",
    "a command without end": lambda number: "\x1b]0;" if not number else "t" * 100,
    "a string without end": lambda number: "\x1bP" if not number else "t" * 100,
    "a sequence without end": lambda number: "\x1b[" if not number else "1;2;3;",
    "charsets": lambda number: f"\x1b({chr(0x30 + number % 70)}x",
}


@pytest.mark.parametrize("name", FLOODS)
def test_memory_does_not_grow_with_what_was_fed(name: str) -> None:
    flood = FLOODS[name]
    terminal = Terminal(40, 10, keep_lines=50, keep_bytes=20_000)

    def fed(first: int) -> int:
        for number in range(first, first + MANY, 100):
            terminal.feed("".join(map(flood, range(number, number + 100))).encode())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = fed(0)
        after = fed(MANY)
    finally:
        tracemalloc.stop()
    # 400 cells: what 10 000 further ones left behind is no more than a few for each.
    assert after - before < 100_000
    assert before < 1_500_000


def test_too_long_a_command_is_passed_over_to_its_end() -> None:
    terminal = Terminal(10, 2)
    terminal.feed(b"\x1b]0;first\x07\x1b]0;" + b"x" * 70_000)
    terminal.feed(b"\x07a\x1b]0;" + b"x" * 70_000 + b"\x07b")
    assert (terminal.title, terminal.text()[0]) == ("first", "ab")


def test_huge_numbers_are_bounded_by_the_screen() -> None:
    terminal = Terminal(10, 3)
    for final in "@ABCDEFGHIJKLMPSTXZ`abdefgr":
        terminal.feed(f"a\x1b[{'9' * 900};{'9' * 100}{final}".encode())
    assert len(terminal.text()) == 3


def test_characters_known_to_be_narrow_are() -> None:
    assert NARROW.startswith(" -~")
    assert all(width(chr(code)) == 1 for code in [*range(0x20, 0x7F), *range(0xA0, 0x100)])
    assert narrow("──│é❯") and not narrow("a漢") and not narrow("e\u0301") and narrow("│")
    assert [width(character) for character in "漢🎉\u0301\u200d\u1160\x85"] == [2, 2, 0, 0, 0, -1]


def test_skipped_output_makes_it_doubtful_until_it_is_cleared_or_gone() -> None:
    terminal = Terminal(10, 3)
    terminal.feed(b"a\r\n")
    assert not terminal.unsure
    for known in (b"\x1b[2J", b"\x1bc", b"\x1b[?1049h", b"\x1b[H\x1b[J", b"x\r\n" * 6):
        terminal.skip(b"\x1b[?2004hlost\r\n")
        assert terminal.unsure
        terminal.feed(known)
        assert not terminal.unsure, known
    assert 2004 in terminal.modes


def test_the_main_screen_stays_doubtful_below_the_alternate_one() -> None:
    terminal = Terminal(10, 3)
    terminal.skip(b"lost\x1b[?1049hlost")
    terminal.feed(b"\x1b[2J")
    assert not terminal.unsure
    terminal.feed(b"\x1b[?1049l")
    assert terminal.unsure


@pytest.mark.parametrize("at", range(1, 30))
def test_what_skipped_output_has_begun_is_gone_on_with(at: int) -> None:
    output = "\x1bPno\x1b\\\x1b[?1000h\x1b]0;a✳b\x1b\\\x1b[=".encode()
    terminal = Terminal(10, 3)
    terminal.skip(output[:at])
    terminal.feed(output[at:] + b"5u")
    assert (terminal.title, terminal.current.keyboard) == ("a✳b", [5])
    assert 1000 in terminal.modes
