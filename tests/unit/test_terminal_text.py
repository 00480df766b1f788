"""A terminal's output as text: every line once, in order, whatever was redrawn.

The recordings are of conversations with the loopback API: prompts, tools, a permission, a change of
the window's size from 100x30 to 80x24, /help, /exit.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from artac_daemon.cli.terminal_text import TerminalText

DATA = Path(__file__).parents[1] / "data" / "terminal"
RESIZED = {"2.1.330": 21231, "2.1.197": 63537}


def recorded(version: str) -> bytes:
    return lzma.decompress((DATA / f"claude-code-{version}.xz").read_bytes())


def told(version: str, coloured: bool = False) -> list[str]:
    output, at = recorded(version), RESIZED[version]
    text = TerminalText(100, 30, coloured)
    lines = text.feed(output[:at]) + text.resize(80, 24) + text.feed(output[at:])
    return [line.rstrip() for line in lines + text.finish()]


def shown(output: bytes, columns: int = 40, rows: int = 10) -> list[str]:
    text = TerminalText(columns, rows)
    return text.feed(output) + text.finish()


def in_order(lines: list[str], wanted: list[str]) -> bool:
    rest = iter(lines)
    return all(any(part in line for line in rest) for part in wanted)


@pytest.mark.parametrize("version", RESIZED)
def test_a_conversation_is_readable(version: str) -> None:
    lines = told(version)
    assert in_order(
        lines,
        [
            f"Claude Code v{version}", "❯ hello there", "● echo: hello there",
            "❯ typed by hand", "● echo: typed by hand", "Do you want to proceed?",
            "tool said: D1 step", "D5 step", "Claude understands your codebase",
            "❯ the last words", "● echo: the last words", "claude",
        ],
    )  # fmt: skip
    for once in ("❯ hello there", "● echo: typed by hand", "● echo: the last words"):
        assert lines.count(once) == 1, once
    noise = ("esc to interrupt", "? for shortcuts", "paste again", "Tip: Use", "tokens)")
    assert not [line for line in lines if any(part in line for part in noise)]


def test_the_main_screen_has_every_line_of_a_long_answer_once() -> None:
    lines = told("2.1.197")
    answer = lines[lines.index("● A001 the quick brown fox") :]
    # 1: the prompt, whose first line begins with its directive, and 2: the answer.
    assert lines.count("  A060 the quick brown fox") == 2
    assert answer[1:60] == [f"  A{number:03d} the quick brown fox" for number in range(2, 61)]


def test_colours_are_kept_where_they_are_wanted() -> None:
    plain, coloured = told("2.1.330"), told("2.1.330", coloured=True)
    assert not any("\x1b" in line for line in plain)
    assert any("\x1b[38;2;255;255;255m●\x1b[m echo: hello there" in line for line in coloured)


def test_a_flood_of_lines_is_whole() -> None:
    lines = [f"{number} {'x' * (number % 100)}".rstrip() for number in range(20_000)]
    wanted = [line[x : x + 40] for line in lines for x in range(0, len(line), 40)]
    assert shown("\r\n".join([*lines, ""]).encode()) == wanted


def test_a_flood_pushes_out_what_was_there() -> None:
    flood = [f"line {number}" for number in range(500)]
    output = "before\r\n\x1b[32mgreen\x1b[m\r\n" + "\r\n".join(flood) + "\r\n$ "
    assert shown(output.encode()) == ["before", "green", *flood, "$"]


def test_a_progress_bar_is_its_last_state() -> None:
    bar = "".join(f"\r{percent:3d}% done" for percent in range(101))
    assert shown(f"start\r\n{bar}\r\nready\r\n".encode()) == ["start", "100% done", "ready"]


def test_a_page_that_is_drawn_over_is_told() -> None:
    pages = [[f"page {page} row {row}" for row in range(8)] for page in range(3)]
    output = "".join("\x1b[H" + "\x1b[K\r\n".join(page) + "\x1b[K" for page in pages)
    for screen in ("", "\x1b[?1049h"):
        assert shown((screen + output).encode()) == [row for page in pages for row in page]


def test_a_page_turned_by_few_lines_tells_only_the_new_ones() -> None:
    rows = [f"{number}: {number * 7919 % 1000}" for number in range(200)]
    output = "\x1b[?1049h" + "".join(
        "\x1b[H" + "\x1b[K\r\n".join(rows[first : first + 9]) + "\x1b[K" for first in range(0, 191)
    )
    assert shown(output.encode()) == rows[:199]


def test_going_back_and_forth_repeats_nothing() -> None:
    rows = [f"{number}: {number * 7919 % 1000}" for number in range(60)]
    there, back = list(range(0, 51, 3)), list(range(51, 0, -3))
    output = "\x1b[?1049h" + "".join(
        "\x1b[H" + "\x1b[K\r\n".join(rows[first : first + 9]) + "\x1b[K"
        for first in (there + back) * 4
    )
    lines = shown(output.encode())
    assert lines[:51] == rows[:51]
    assert sorted(lines) == sorted(rows)  # what stood below when it ended is told last


def test_a_dialog_that_comes_and_goes_is_told_once() -> None:
    text = "\r\n".join(f"paragraph {number}" for number in range(6))
    dialog = "\x1b[3;1H  May I?  1. Yes \x1b[4;1H  really?   2. No \x1b[9;1H"
    redrawn = "\x1b[H" + text.replace("\r\n", "\x1b[K\r\n") + "\x1b[9;1H"
    lines = shown(("\x1b[?1049h\x1b[H" + text + (dialog + redrawn) * 20).encode())
    assert [line for line in lines if line.startswith("para")] == text.split("\r\n")
    assert sum("May I?" in line for line in lines) == 1


def test_what_has_settled_is_not_told_again_when_it_scrolls_off() -> None:
    text = TerminalText(40, 5)
    assert text.feed(b"one\r\ntwo\r\nthr") == []
    assert text.settle() == ["one", "two"]
    assert text.settle() == []
    after = text.feed(b"ee\r\n" + b"".join(b"%d\r\n" % number for number in range(10)))
    assert after + text.finish() == ["three", *map(str, range(10))]


def test_what_was_drawn_while_it_was_muted_counts_as_told() -> None:
    text = TerminalText(40, 5)
    text.mute(True)
    assert text.feed(b"old\r\nolder\r\n") == []
    text.mute(False)
    assert text.feed(b"new\r\n" * 1) + text.finish() == ["new"]


def test_a_sign_that_turns_is_told_once() -> None:
    turning = [" ▐▛███▛█ ", "  █▛██▛▌ ", "   ▐██   ", " ▐▛███▜█ "]
    drawn = "".join(
        f"\x1b[?1049h\x1b[H{sign}  Claude Code v2\x1b[K\r\n\x1b[Kready" for sign in turning
    )
    assert sum("Claude Code v2" in line for line in shown(drawn.encode())) == 1
