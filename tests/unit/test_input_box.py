"""Claude's input box on the screen, and the keys that put a message into it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from artac_daemon.claude import pasting, transcript_queue
from artac_daemon.claude.input_box import InputBox, find, same

RULE = "─" * 40
PASTE = re.compile(r"\x1b\[200~(.*?)\x1b\[201~", re.DOTALL)


def screen(*rows: str, cursor: tuple[int, int], ansi: str = "") -> dict[str, Any]:
    """A screen; `ansi` is the cursor's row with its escape sequences."""
    drawn = list(rows)
    if ansi:
        drawn[cursor[0]] = ansi
    return {"text": list(rows), "ansi": drawn, "cursor": list(cursor)}


def box(*rows: str, cursor: tuple[int, int] | None = None, ansi: str = "") -> InputBox | None:
    shown = ("● said", RULE, *rows, RULE, "  ? for shortcuts")
    return find(screen(*shown, cursor=cursor or (1 + len(rows), 2), ansi=ansi))


EMPTY = [
    "❯\xa0\x1b[7m \x1b[m",
    "\x1b[38;2;153;153;153m❯\xa0\x1b[0;7mP\x1b[0;2mress up to edit queued messages\x1b[m",
    "\x1b[38;2;1;2;3m❯\xa0\x1b[0;7mP\x1b[0;2mress\x1b[m \x1b[2mup\x1b[m",
]


@pytest.mark.parametrize("ansi", EMPTY)
def test_what_is_suggested_counts_as_empty(ansi: str) -> None:
    found = box("❯\xa0" + "Press up", ansi=ansi)
    assert found is not None and found.empty


@pytest.mark.parametrize(
    "ansi",
    ["❯\xa0h\x1b[7m \x1b[m", "❯\xa0\x1b[7mh\x1b[m", "❯\xa0\x1b[7mh\x1b[mi \x1b[38;5;2mx\x1b[m"],
)
def test_a_single_letter_is_something_typed(ansi: str) -> None:
    found = box("❯\xa0h", ansi=ansi)
    assert found is not None and not found.empty


DIALOGS = [
    screen(RULE, " Do you want to proceed?", " ❯ 1. Yes", "   2. No", " Esc", cursor=(2, 1)),
    screen(RULE, "❯ 1. Yes", "  2. No", RULE, "  Chat about this", cursor=(1, 0)),
    screen("❯\xa0hello", "● said", RULE, "  Showing transcript", cursor=(3, 0)),
    screen("", cursor=(0, 0)),
    screen("x", cursor=(7, 0)),
]


@pytest.mark.parametrize("shown", DIALOGS)
def test_a_dialog_has_no_input_box(shown: dict[str, Any]) -> None:
    assert find(shown) is None


def test_a_message_is_known_however_it_is_wrapped() -> None:
    found = box("❯\xa0one two", "  three", "", "  four")
    assert found is not None and found.shows("one two three\n\nfour")
    assert not found.shows("one two three four five") and not found.shows("two three four")


def test_of_what_is_taller_than_the_screen_the_end_is_compared() -> None:
    found = find(screen("  nine", "  ten", RULE, "  ?", cursor=(1, 5)))
    assert found is not None and not found.whole
    assert found.shows("eight\nnine\nten") and not found.shows("nine\neleven")


def test_a_long_paste_is_known_by_its_name() -> None:
    found = box("❯\xa0[Pasted text #3 +12 lines]")
    assert found is not None and found.shows("whatever it is")
    mixed = box("❯\xa0mine [Pasted text #3 +12 lines]")
    assert mixed is not None and not mixed.shows("whatever it is")


def test_shell_mode_shows_no_message() -> None:
    found = box("!\xa0ls")
    assert found is not None and found.shell and not found.shows("ls")


def test_what_claude_was_given_is_compared_as_far_as_it_says() -> None:
    text = "first line\n" * 40
    assert same(text, text[:200]) and same("a\tb", "a    b")
    assert same(text, '\n\n<pasted_content id="1">\n' + text[:150])
    assert not same("hello", "help")


@pytest.mark.parametrize("text", ["a\n!b\n/c", "!" * 900, "x" * 3000, "\n\n!a\n\n", "é🙂\n" * 50])
def test_the_pieces_of_a_message_are_the_message(text: str) -> None:
    pieces = PASTE.findall(pasting.keys(text))
    assert "".join(pieces).strip() == text.strip()
    assert not [piece for piece in pieces if piece.startswith(("!", "/"))]
    assert PASTE.sub("", pasting.keys(text)) == ""


def test_nothing_in_a_text_ends_its_paste() -> None:
    keys = pasting.keys("a\x1b[201~\r\x03\x9b201~b")
    assert PASTE.sub("", keys) == "" and "\r" not in keys and "\x03" not in keys


def test_a_queued_message_is_found_in_a_transcript() -> None:
    line = b'{"type":"queue-operation","operation":"enqueue","content":"and then"}'
    assert transcript_queue.queued(line) == "and then"
    for other in (line.replace(b"enqueue", b"dequeue"), b'{"queue-operation": "enqueue"', b"[]"):
        assert transcript_queue.queued(other) is None
