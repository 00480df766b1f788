"""Reading output files by offset: any content, from anywhere, with any part of the head dropped."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artac_daemon.daemon.lines import CHUNK, LineReader, OutputReader, extent
from artac_daemon.keeper import output
from tests.support import capability

BLOCK = 4096
# Short random ones, and ones that reach over blocks, as Claude's do.
line = st.one_of(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")),
    st.integers(1, 3 * BLOCK).map(lambda length: b"x" * length),
)
contents = st.tuples(st.lists(line, max_size=12), line).map(
    lambda parts: b"".join(entry + b"\n" for entry in parts[0]) + parts[1]
)
shares = st.floats(0, 1)
own = settings(max_examples=60)


def punch(path: Path, blocks: int) -> None:
    """Drop that many blocks of the head, as the keeper does."""
    command = ["fallocate", "--punch-hole", "--offset", "0", "--length", str(blocks * BLOCK)]
    if blocks:
        subprocess.run([*command, str(path)], check=True, capture_output=True)


def _unable() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "output")
        path.write_bytes(b"x" * 2 * BLOCK)
        try:
            punch(path, 1)
        except (OSError, subprocess.CalledProcessError) as problem:
            return f"{tempfile.gettempdir()} cannot punch holes into files: {problem}"
        if extent(path).first != BLOCK:
            return f"{tempfile.gettempdir()} does not tell where a file has holes"
    return None


@pytest.fixture(scope="module", autouse=True)
def holes() -> None:
    capability.require(_unable())


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "output")


def whole_lines(data: bytes, offset: int, first: int) -> list[tuple[int, bytes]]:
    """The complete lines that start at `offset` or later and are there from their start on.

    The one that starts at the very end of the hole cannot be told from the rest of a cut one.
    """
    found, start = [], 0
    while (end := data.find(b"\n", start)) >= 0:
        if start >= offset and (start == 0 or start > first) and start >= first:
            found.append((end + 1, data[start:end]))
        start = end + 1
    return found


def fresh(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def all_lines(reader: LineReader) -> list[tuple[int, bytes]]:
    found = reader.lines()
    while reader.more:
        found += reader.lines()
    return found


@own
@given(data=contents, at=shares, hole=shares)
def test_whole_lines_come_from_there_on_and_what_is_gone_is_told(
    path: Path, data: bytes, at: float, hole: float
) -> None:
    offset, blocks = round(at * len(data)), round(hole * (len(data) // BLOCK))
    first = blocks * BLOCK
    fresh(path, data)
    punch(path, blocks)
    reader = LineReader(path, offset)
    try:
        assert all_lines(reader) == whole_lines(data, offset, first)
        assert reader.dropped == max(0, first - offset)
    finally:
        reader.close()
    assert (extent(path).first, extent(path).size) == (first, len(data))


@own
@given(data=contents, at=shares, hole=shares, most=st.integers(1, 3 * BLOCK))
def test_bytes_come_from_there_on_and_what_is_gone_is_told(
    path: Path, data: bytes, at: float, hole: float, most: int
) -> None:
    offset, first = round(at * len(data)), round(hole * (len(data) // BLOCK)) * BLOCK
    fresh(path, data)
    punch(path, first // BLOCK)
    reader, found = OutputReader(path, offset), b""
    try:
        while piece := reader.read(most):
            found += piece
        assert found == data[max(offset, first) :]
        assert reader.dropped == max(0, first - offset)
        assert reader.offset == len(data)
    finally:
        reader.close()


@own
@given(
    data=contents,
    steps=st.lists(st.tuples(st.integers(1, 2 * BLOCK), st.booleans(), shares), max_size=12),
)
def test_a_file_that_grows_and_loses_its_head_is_read_without_a_false_line(
    path: Path, data: bytes, steps: list[tuple[int, bool, float]]
) -> None:
    fresh(path, b"")
    reader = LineReader(path, 0)
    found: list[tuple[int, bytes]] = []
    written = first = seen = 0
    try:
        for length, read, hole in [*steps, (len(data), True, 0.0)]:
            with path.open("ab") as file:
                file.write(data[written : written + length])
            written = min(len(data), written + length)
            first = max(first, round(hole * (written // BLOCK)) * BLOCK)
            punch(path, first // BLOCK)
            if read:
                found += all_lines(reader)
                seen = max(seen, first)
        assert found == sorted(set(found))
        assert set(found) <= set(whole_lines(data, 0, 0))
        # What was never dropped before it could be read is there.
        assert set(whole_lines(data, 0, first)) - {(0, b"")} <= set(found)
        assert reader.dropped <= first
        if reader.dropped == 0:
            assert found == whole_lines(data, 0, 0)
    finally:
        reader.close()


@own
@given(data=contents, at=shares)
def test_the_offset_of_a_line_is_where_to_come_back(path: Path, data: bytes, at: float) -> None:
    fresh(path, data)
    known = [0, *(offset for offset, _ in whole_lines(data, 0, 0))]
    back = known[round(at * (len(known) - 1))]
    reader = LineReader(path, back)
    try:
        assert all_lines(reader) == [entry for entry in whole_lines(data, 0, 0) if entry[0] > back]
    finally:
        reader.close()


def test_a_line_longer_than_a_chunk_is_one_line(path: Path) -> None:
    data = b"a\n" + b"b" * (2 * CHUNK + 5) + b"\nc\n"
    fresh(path, data)
    reader = LineReader(path, 0)
    assert all_lines(reader) == whole_lines(data, 0, 0)
    reader.close()


def test_a_line_beyond_the_bound_is_passed_over_and_the_next_ones_are_right(
    path: Path,
) -> None:
    data = b"a\n" + b"b" * (3 * CHUNK) + b"\nc\nd\n"
    fresh(path, data)
    reader = LineReader(path, 0, max_line=100)
    assert all_lines(reader) == [(2, b"a"), (len(data) - 2, b"c"), (len(data), b"d")]
    reader.close()


def test_what_is_dropped_while_it_is_being_read_does_not_come_as_zeros(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper punches in a process of its own: between any two calls of a reader."""
    fresh(path, b"x" * 8 * BLOCK)
    reader, pread = OutputReader(path, 0), os.pread

    def overtaken(fd: int, length: int, offset: int) -> bytes:
        punch(path, 4)
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", overtaken)
    data = reader.read()
    monkeypatch.undo()
    data += reader.read()
    assert b"\0" not in data
    assert (data, reader.dropped) == (b"x" * 4 * BLOCK, 4 * BLOCK)
    reader.close()


@given(
    size=st.integers(0, 1 << 42), first=st.integers(0, 1 << 42), limit=st.integers(1 << 20, 1 << 40)
)
def test_what_is_kept_is_bounded_and_at_least_half_of_what_may_be(
    size: int, first: int, limit: int
) -> None:
    first = min(first, size)
    dropped = output.cut(size, first, limit)
    if not dropped:
        assert size - first <= limit
        return
    assert dropped % BLOCK == 0 and first <= dropped < size
    assert limit // 2 <= size - dropped <= limit


def test_a_punched_file_holds_less_and_keeps_its_length(path: Path) -> None:
    fresh(path, os.urandom(64 * BLOCK))
    before = path.stat()
    status = os.waitpid(output.punch(str(path), 48 * BLOCK), 0)[1]
    after = path.stat()
    assert status == 0 and after.st_size == before.st_size
    assert after.st_blocks <= before.st_blocks // 3
    assert output.due(str(path), 16 * BLOCK) == 0 < output.due(str(path), 15 * BLOCK)
