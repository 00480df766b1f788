"""The screen model: any bytes, cut anywhere, beside another emulator, painted into a blank one."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artac_daemon.keeper.vt import painting
from artac_daemon.keeper.vt.terminal import Terminal

own = settings(max_examples=100)
small = st.integers(0, 12)
COLUMNS, ROWS = 10, 5


def csi(finals: str, most: int = 2, before: str = "") -> st.SearchStrategy[str]:
    numbers = st.lists(st.one_of(st.just(""), small.map(str)), max_size=most).map(";".join)
    return st.tuples(numbers, st.sampled_from(finals)).map(
        lambda pair: f"\x1b[{before}{pair[0]}{pair[1]}"
    )


words = st.text(alphabet="abcXYZ 019~é│❯", min_size=1, max_size=14)
odd = st.text(alphabet="a漢🎉e\u0301\ufe0f\u200d½─\u00ad\u200b", min_size=1, max_size=8)
colours = st.sampled_from(
    "0 1 2 3 4 7 9 22 24 27 31 39 44 49 97 104 4:3 58:2::1:2:3 59 38;5;200 48;2;1;2;3 38:2:9:8:7"
    " 38:5:3 1;4;31 53 21".split()
).map(lambda code: f"\x1b[{code}m")
controls = st.sampled_from(["\r", "\n", "\r\n", "\b", "\t", "\v", "\x0e", "\x0f"])
escapes = st.sampled_from(
    "\x1b7 \x1b8 \x1bM \x1bD \x1bE \x1bH \x1b= \x1b> \x1b(0 \x1b(B \x1b)0 \x1b#8 \x1bc".split()
)
modes = st.tuples(
    st.sampled_from([1, 5, 6, 7, 12, 25, 47, 1000, 1003, 1006, 1047, 1048, 1049, 2004, 2026, 77]),
    st.sampled_from("hl"),
).map(lambda pair: f"\x1b[?{pair[0]}{pair[1]}")
more = st.sampled_from(
    [
        "\x1b[4h",
        "\x1b[4l",
        "\x1b[20h",
        "\x1b[20l",
        "\x1b[!p",
        "\x1b[3 q",
        "\x1b[>1u",
        "\x1b[=5;2u",
        "\x1b[<u",
        "\x1b[>4;2m",
        "\x1b]0;a title\x07",
        "\x1b]2;b ✳\x1b\\",
        "\x1b]8;id=1;https://a.example/\x1b\\",
        "\x1b]8;;\x07",
        "\x1b[22;0t",
        "\x1b[23;0t",
        "\x1bPq#0;1\x1b\\",
        "\x1b_Gi=1\x1b\\",
        "\x1b[3g",
        "\x1b[2;4r",
        "\x1b[r",
        "\x1b[1\n;2H",
    ]
)
moves = csi("ABCDEFGHdfa`eIZ")
edits = csi("@JKLMPSTXb", most=1)
pieces = st.lists(
    st.one_of(words, odd, words, moves, edits, colours, controls, escapes, modes, more), max_size=30
).map(lambda parts: "".join(parts).encode())
junk = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.text(alphabet="\x1b[]?;:0189mhlPX^_\\\x07\x18\x9b\x9c Hkc(", max_size=12).map(
            str.encode
        ),
        pieces,
    ),
    max_size=12,
).map(b"".join)


def state(terminal: Terminal) -> dict[str, object]:
    """All that there is to be told apart, on both screens."""
    shown = terminal.current
    told: dict[str, object] = {
        "size": (terminal.columns, terminal.rows),
        "text": terminal.text(),
        "ansi": terminal.ansi(),
        "cursor": (terminal.x, terminal.y),
        "alternate": terminal.alternate,
        "region": (terminal.top, terminal.bottom),
        "pen": terminal.pens.start(terminal.pen, terminal.links),
        "charsets": (terminal.charsets, terminal.shift),
        "insert": (terminal.insert, terminal.wrap, terminal.newline_mode),
        "tabs": terminal.tabs,
        "titles": terminal.titles,
        "keyboards": (terminal.main.keyboard, shown.keyboard),
        **followed(terminal),
    }
    for screen in (terminal.main, shown):
        saved = screen.saved
        told[f"saved {screen is shown}"] = saved and (
            *(saved.x, saved.y, saved.charsets, saved.shift, saved.origin),
            terminal.pens.start(saved.pen, terminal.links),
        )
    terminal.current = terminal.main
    told["main"] = terminal.ansi()
    terminal.current = shown
    return told


def followed(terminal: Terminal) -> dict[str, object]:
    """What holds for skipped output, too."""
    return {
        "modes": set(terminal.modes),
        "mouse": [mode for mode in terminal.modes if mode in range(1000, 1017)],
        "title": terminal.title,
        "keypad": (terminal.keypad, terminal.other_keys, terminal.cursor_style),
        "keyboard": terminal.current.keyboard,
        "shown": terminal.alternate,
    }


def fed(*parts: bytes, columns: int = COLUMNS, rows: int = ROWS) -> Terminal:
    terminal = Terminal(columns, rows)
    for part in parts:
        terminal.feed(part)
    return terminal


@own
@given(data=junk, cuts=st.lists(st.floats(0, 1), max_size=6))
def test_cutting_the_output_anywhere_changes_nothing(data: bytes, cuts: list[float]) -> None:
    places = sorted(round(cut * len(data)) for cut in cuts)
    parts = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    whole, single = fed(data), fed(*(bytes([byte]) for byte in data))
    cut = fed(*parts)
    assert state(whole) == state(cut) == state(single)
    assert whole.history == cut.history == single.history


@own
@given(data=junk, columns=st.integers(1, 12), rows=st.integers(1, 6))
def test_any_bytes_leave_a_screen_of_its_size(data: bytes, columns: int, rows: int) -> None:
    terminal = fed(data, columns=columns, rows=rows)
    for screen in (terminal.main, terminal.other):
        assert [len(row) for row in screen.rows] == [columns] * rows
        assert [len(inks) for inks in screen.inks] == [columns] * rows
        # No half of a wide character is without the other.
        for row in screen.rows:
            assert not row.startswith("\udfff") and "\udfff\udfff" not in row
    y, x = terminal.cursor
    assert 0 <= y < rows and 0 <= x < columns
    assert len(terminal.text()) == rows
    "".join(terminal.ansi()).encode()


@own
@given(data=pieces, lines=st.integers(0, 50))
def test_a_blank_terminal_is_painted_to_be_the_same(data: bytes, lines: int) -> None:
    terminal = fed(data)
    blank = fed(painting.paint(terminal, lines))
    expected, found = state(terminal), state(blank)
    # Its own saved cursor is home, which is where one that was never saved is restored to.
    if terminal.alternate and not expected["saved False"]:
        expected["saved False"] = found["saved False"]
    assert found == expected
    assert blank.history == (terminal.history[-lines:] if lines else [])


begun = st.lists(st.one_of(words, odd, colours, controls, more), min_size=1, max_size=8).map(
    lambda parts: "".join(parts).encode()
)


@own
@given(data=begun, at=st.floats(0, 1))
@example(data=b"\x1b_Gi=1\x1b\\after", at=0.6)
@example(data="ü".encode(), at=0.5)
def test_what_was_painted_in_the_midst_of_anything_goes_on_as_it_does(
    data: bytes, at: float
) -> None:
    cut = round(at * len(data))
    terminal = fed(data[:cut])
    blank = fed(painting.paint(terminal, 0), data[cut:])
    terminal.feed(data[cut:])
    assert state(blank) == state(terminal)


@own
@given(data=junk, later=pieces)
def test_what_is_reset_is_as_a_blank_one_but_for_its_text(data: bytes, later: bytes) -> None:
    terminal = fed(data, b"\x1b\\", painting.RESET)
    blank = Terminal(COLUMNS, ROWS)
    for name in ("modes", "mouse", "keypad", "keyboard", "shown"):
        assert followed(terminal)[name] == followed(blank)[name]
    assert not terminal.pen and terminal.translation is None
    assert (terminal.top, terminal.bottom) == (0, ROWS - 1)
    # What is done from there on looks the same.
    for one in (terminal, blank):
        one.feed(b"\x1b[3g\x1b[?5W\x1b[2J\x1b[H" + later.replace(b"\x1b8", b""))
    assert followed(terminal)["modes"] == followed(blank)["modes"]


@own
@given(
    data=st.lists(st.one_of(words, modes, more, colours, moves), max_size=25).map("".join),
    at=st.floats(0, 1),
    until=st.floats(0, 1),
)
def test_skipped_output_is_followed_in_its_modes(data: str, at: float, until: float) -> None:
    raw = data.encode()
    first, last = sorted((round(at * len(raw)), round(until * len(raw))))
    skipping = Terminal(COLUMNS, ROWS)
    skipping.feed(raw[:first])
    skipping.skip(raw[first:last])
    skipping.feed(raw[last:])
    drawn = fed(raw)
    assert followed(skipping) == followed(drawn)
    assert skipping.titles == drawn.titles and skipping.insert == drawn.insert
    assert skipping.pens.start(skipping.pen, skipping.links) == drawn.pens.start(
        drawn.pen, drawn.links
    )


@own
@given(data=pieces, sizes=st.lists(st.tuples(small, small), max_size=4), later=pieces)
def test_any_size_can_follow_any(data: bytes, sizes: list[tuple[int, int]], later: bytes) -> None:
    terminal = fed(data)
    for columns, rows in sizes:
        terminal.resize(columns, rows)
        for screen in (terminal.main, terminal.other):
            assert [len(row) for row in screen.rows] == [terminal.columns] * terminal.rows
            assert [len(inks) for inks in screen.inks] == [terminal.columns] * terminal.rows
        terminal.feed(later)
    blank = Terminal(terminal.columns, terminal.rows)
    blank.feed(painting.paint(terminal, 0))
    assert blank.ansi() == terminal.ansi() and blank.cursor == terminal.cursor


# What pyte has not, or has otherwise: the alternate screen, REP, SU, SD, DL, DCH, NEL, erasing
# from beyond the last column, and moves that begin outside of the region.
def shared(finals: str, regions: list[str]) -> st.SearchStrategy[str]:
    """What pyte does as terminals do."""
    modes = ["\x1b[4h", "\x1b[4l", "\x1b[?7l", "\x1b[?7h", *regions]
    erasing = st.sampled_from(["\x1b[J", "\x1b[1J", "\x1b[2K", "\x1b[K"])
    return st.lists(
        st.one_of(
            words,
            csi(finals, most=1).map(lambda text: "\r" + text),
            st.sampled_from(["\r", "\n", "\r\n", "\x1bM", "\x1bD", "\r\x1b7\x1b[2;3H\x1b8"]),
            st.one_of(csi("@LX", most=1), erasing).map(lambda text: "\r\x1b[3C" + text),
            st.sampled_from(modes),
        ),
        max_size=25,
    ).map("".join)


@own
@given(data=st.one_of(shared("ABCDEFGHda", []), shared("CDGa", ["\x1b[2;4r\x1b[2;2H"])))
def test_it_shows_what_another_emulator_shows(data: str) -> None:
    other = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(other).feed(data)
    terminal = fed(data.encode())
    assert terminal.text() == [row.rstrip() for row in other.display]
    assert terminal.cursor == (other.cursor.y, min(other.cursor.x, COLUMNS - 1))


@given(words)
@pytest.mark.parametrize("code", ["1", "31", "38;5;200", "48;2;1;2;3", "7"])
def test_a_row_draws_itself_again(code: str, text: str) -> None:
    terminal = fed(f"\x1b[{code}m{text}\x1b[m漢".encode(), columns=20)
    again = fed(terminal.row(0).encode(), columns=20)
    assert again.row(0) == terminal.row(0)
    for first, last in ((0, 20), (1, 20), (3, 7), (5, 5), (0, 16)):
        part = fed(terminal.row(0, first, last).encode(), columns=30)
        assert part.cursor[1] == last - first
