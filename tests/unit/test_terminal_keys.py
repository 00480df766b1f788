"""What is typed into an attached terminal: commands, answers of the terminal, and all the rest."""

from __future__ import annotations

import pytest

from artac_daemon.cli.terminal.frames import DATA, REPORT
from artac_daemon.cli.terminal.keys import COMMAND, Event, Keys, escape_byte, key_name

ESCAPE = 0x1C

KEYS: list[tuple[bytes, list[Event]]] = [
    (b"plain \xc3\xa4\r", [(DATA, b"plain \xc3\xa4\r")]),
    (b"\x1cd", [(COMMAND, b"d")]),
    (b"ab\x1crcd", [(DATA, b"ab"), (COMMAND, b"r"), (DATA, b"cd")]),
    (b"\x1c\x1c", [(DATA, b"\x1c")]),
    (b"\x1cx", [(DATA, b"\x1cx")]),
    (b"\x1c\xc3\xa4", [(DATA, b"\x1c\xc3\xa4")]),
    (b"\x1c\x1b[A", [(DATA, b"\x1c\x1b[A")]),
    # The kitty protocol: with a lock on, as an event, with its release; and modifyOtherKeys.
    (b"\x1b[92;5ud", [(COMMAND, b"d")]),
    (b"\x1b[92;69ud", [(COMMAND, b"d")]),
    (b"\x1b[92;5:1u\x1b[92;5:3u\x1b[57442;5:3u\x1b[100;1:1u",
     [(DATA, b"\x1b[57442;5:3u"), (COMMAND, b"d")]),
    (b"\x1b[92;5u\x1b[92;5u", [(DATA, b"\x1b[92;5u")]),
    (b"\x1b[92;5u\x1b[97;5u", [(DATA, b"\x1b[92;5u\x1b[97;5u")]),
    (b"\x1b[92;5:2ux", [(DATA, b"x")]),
    (b"\x1b[27;5;92~?", [(COMMAND, b"?")]),
    (b"\x1b[92;6u", [(DATA, b"\x1b[92;6u")]),
    # The mouse and the focus do not come between the escape key and its command.
    (b"\x1c\x1b[<35;1;2M\x1b[Iz", [(DATA, b"\x1b[<35;1;2M\x1b[I"), (COMMAND, b"z")]),
    (b"\x1b[200~a\x1cd\x1b[92;5ud\x1b[?1;2c\x1b[201~\x1cd",
     [(DATA, b"\x1b[200~a\x1cd\x1b[92;5ud\x1b[?1;2c\x1b[201~"), (COMMAND, b"d")]),
    (b"\x1b[A\x1bOP\x1bx\x1b[1;5C\x1b[3~", [(DATA, b"\x1b[A\x1bOP\x1bx\x1b[1;5C\x1b[3~")]),
    (b"\x1b[1;2R", [(DATA, b"\x1b[1;2R")]),  # F3 with shift
    (b"\x1b[65;2u", [(DATA, b"\x1b[65;2u")]),
]  # fmt: skip

REPORTS = [
    b"\x1b[?62;22c", b"\x1b[>41;354;0c", b"\x1bP!|00000000\x1b\\", b"\x1b[12;40R", b"\x1b[?1;1R",
    b"\x1b[?2026;2$y", b"\x1b[4;1$y", b"\x1bP>|XTerm(354)\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x07",
    b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\", b"\x1b[?0u", b"\x1b[8;24;80t", b"\x1b[?997;1n", b"\x1b[0n",
    b"\x1b_Gi=1;OK\x1b\\", b"\x1bP1+r544e=78\x1b\\",
]  # fmt: skip


def fed(pieces: list[bytes], escape: int = ESCAPE) -> list[Event]:
    keys = Keys(escape)
    events: list[Event] = []
    for piece in pieces:
        for kind, data in [(DATA, piece)] if keys.plain(piece) else keys.feed(piece):
            if events and kind == DATA == events[-1][0]:
                events[-1] = (DATA, events[-1][1] + data)
            else:
                events.append((kind, data))
    assert not keys.holds
    return events


@pytest.mark.parametrize(("typed", "events"), KEYS)
def test_keys_are_told_apart_wherever_they_are_cut(typed: bytes, events: list[Event]) -> None:
    assert fed([typed]) == events
    assert fed([typed[at : at + 1] for at in range(len(typed))]) == events
    for cut in range(1, len(typed)):
        assert fed([typed[:cut], typed[cut:]]) == events


@pytest.mark.parametrize("report", REPORTS)
def test_answers_of_the_terminal_are_told_apart_wherever_they_are_cut(report: bytes) -> None:
    for cut in range(len(report)):
        assert fed([b"a" + report[:cut], report[cut:] + b"b"]) == [
            (DATA, b"a"), (REPORT, report), (DATA, b"b")
        ]  # fmt: skip
    # Between the escape key and its command they are no key.
    assert fed([b"\x1c" + report + b"d"]) == [(REPORT, report), (COMMAND, b"d")]


def test_a_key_that_could_begin_a_sequence_is_a_key_when_nothing_follows() -> None:
    keys = Keys(ESCAPE)
    for start in (b"\x1b", b"\x1b[", b"\x1bO", b"\x1b]", b"\x1bP"):
        assert keys.feed(start) == [] and keys.holds
        assert keys.flush() == [(DATA, start)] and not keys.holds
    assert keys.feed(b"\x1c\x1b") == []
    assert keys.flush() == [(DATA, b"\x1c\x1b")]
    assert keys.flush() == []


def test_a_paste_that_is_cut_off_ends_and_the_escape_key_works() -> None:
    keys = Keys(ESCAPE)
    keys.feed(b"\x1b[200~half of it\x1b[20")
    assert keys.cut_off() == b"\x1b[201~"
    assert keys.feed(b"\x1cd") == [(COMMAND, b"d")]
    keys.feed(b"\x1b[20")  # a sequence, and the escape key without its command
    assert keys.cut_off() == b"" and not keys.holds
    keys.feed(b"\x1c")
    assert keys.cut_off() == b""
    assert keys.feed(b"d") == [(DATA, b"d")]


def test_no_escape_key_leaves_all_keys_to_the_program() -> None:
    typed = b"\x1cd\x1b[92;5ud"
    assert fed([typed], escape=-1) == [(DATA, typed)]
    assert fed([b"\x1cd\x01d"], escape=1) == [(DATA, b"\x1cd"), (COMMAND, b"d")]
    assert fed([b"\x1b[97;5ud"], escape=1) == [(COMMAND, b"d")]


def test_what_is_held_back_is_bounded() -> None:
    keys = Keys(ESCAPE)
    for start in (b"\x1b]", b"\x1b["):
        sent = keys.feed(start + b"1" * 200_000)
        assert b"".join(data for _, data in sent) == start + b"1" * 200_000
        assert not keys.holds


def test_names_of_escape_keys() -> None:
    names = ("ctrl-\\", "ctrl-a", "^A", "C-]", "ctrl-_", "none", "a", "ctrl-", "ctrl-1", "")
    assert [escape_byte(name) for name in names] == [
        0x1C, 1, 1, 0x1D, 0x1F, -1, None, None, None, None
    ]  # fmt: skip
    assert key_name(0x1C) == "ctrl-\\" and key_name(1) == "ctrl-a"
