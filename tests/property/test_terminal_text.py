"""A terminal's text does not depend on how its output is cut, and keeps every plain line."""

from __future__ import annotations

import lzma
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from artac_daemon.cli.terminal_text import TerminalText

DATA = Path(__file__).parents[1] / "data" / "terminal"
RECORDED = [
    lzma.decompress((DATA / f"claude-code-{version}.xz").read_bytes())[:20_000]
    for version in ("2.1.330", "2.1.197")
]
PIECES = st.sampled_from(
    [
        b"word ", b"\r\n", b"\n", b"\x1b[H", b"\x1b[2J", b"\x1b[K", b"\x1b[3A", b"\x1b[2B", b"\r",
        b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[31m", b"\x1b[m", b"\x1b[2;4r", b"\x1b[r", b"\x1b[L",
        b"\x1b[M", b"\x1b[5;1H", b"\x1bM", b"\x1b[S", b"\x1b[T", "日本".encode(), b"x\r\n" * 40,
        b"\x1b[?2004h", b"\xe2\x94\x80" * 12, b"\xe2\x9d\xaf ",
    ]
)  # fmt: skip


def lines(output: bytes, cuts: list[int], columns: int, rows: int, coloured: bool) -> list[str]:
    text, told, start = TerminalText(columns, rows, coloured), [], 0
    for cut in [*sorted(cut % (len(output) + 1) for cut in cuts), len(output)]:
        told += text.feed(output[start:cut])
        start = cut
    return told + text.finish()


CUTS = st.lists(st.integers(0, 1 << 20), max_size=60)


@settings(max_examples=20)
@given(st.sampled_from(RECORDED), CUTS, st.booleans())
def test_a_recording_cut_anywhere(output: bytes, cuts: list[int], coloured: bool) -> None:
    whole = lines(output, [], 100, 30, coloured)
    assert lines(output, cuts, 100, 30, coloured) == whole


@given(st.lists(PIECES, max_size=60), CUTS, st.integers(1, 20), st.integers(1, 6))
def test_anything_cut_anywhere(
    parts: list[bytes], cuts: list[int], columns: int, rows: int
) -> None:
    output = b"".join(parts)
    assert lines(output, cuts, columns, rows, False) == lines(output, [], columns, rows, False)


@given(
    st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30), max_size=90),
    CUTS,
    st.integers(1, 8),
)
def test_plain_lines_are_all_there(plain: list[str], cuts: list[int], rows: int) -> None:
    output = "".join(f"{line}\r\n" for line in plain).encode()
    while plain and not plain[-1]:
        plain.pop()
    told = lines(output, cuts, 30, rows, False)
    while told and not told[-1]:
        told.pop()
    assert told == plain
