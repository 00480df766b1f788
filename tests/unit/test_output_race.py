"""What is written at the very moment in which a reader looks for the end of an output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artac_daemon.daemon.lines import LineReader
from artac_daemon.keeper.output import head


@pytest.fixture
def racing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that grows just when somebody has been told that it has no more data."""
    path = tmp_path / "output"
    path.touch()
    lseek = os.lseek

    def seek_then_grow(fd: int, offset: int, whence: int) -> int:
        try:
            return lseek(fd, offset, whence)
        except OSError:
            with path.open("ab") as file:
                file.write(b"just now\n")
            raise

    monkeypatch.setattr(os, "lseek", seek_then_grow)
    return path


def test_it_is_not_taken_for_a_hole_and_skipped(racing: Path) -> None:
    reader = LineReader(racing, 0)
    lines = [line for _ in range(3) for _, line in reader.lines()]
    reader.close()
    assert lines[0] == b"just now" and reader.dropped == 0


def test_it_is_not_taken_for_a_dropped_head(racing: Path) -> None:
    with racing.open("rb") as file:
        assert head(file.fileno()) == 0
