"""The end of what a session wrote: its last lines, and how its last turn went."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..claude import stream
from ..model.session import State
from .lines import LineReader, extent

# The last lines are looked for in so much of a file, and each is cut to so much.
_WINDOW = 64 * 1024
_LONGEST = 4096
# The last turn is looked for in so much at first, eightfold until it is found or that is too much.
_TAIL, _FARTHEST = 256 * 1024, 16 * 1024 * 1024


@dataclass(frozen=True)
class LastTurn:
    """`result` of the last turn that had one; `under_way`: another had begun after it."""

    result: stream.Result | None
    under_way: bool


def last_lines(path: Path, wanted: int) -> list[str]:
    """At most so many of a file's last lines, of long ones the end; [] where there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        size = os.fstat(fd).st_size
        start = max(extent(path).first, size - _WINDOW)
        data = os.pread(fd, size - start, start)
    finally:
        os.close(fd)
    # What is dropped from the front meanwhile reads as zeros.
    lines = data.lstrip(b"\0").decode("utf-8", "replace").removesuffix("\n").split("\n")
    if start and len(lines) > 1:
        del lines[0]  # the rest of a line
    if wanted == 0 or lines == [""]:
        return []
    return [line[-_LONGEST:] for line in lines[-wanted:]]


def last_turn(path: Path) -> LastTurn | None:
    """How the last turn of a headless session went; None where its output does not tell."""
    held = extent(path)
    window = _TAIL
    while True:
        offset = max(held.first, held.size - window)
        found = _look(path, offset)
        if found is not None or offset == held.first or window >= _FARTHEST:
            return found
        window *= 8


def _look(path: Path, offset: int) -> LastTurn | None:
    result: stream.Result | None = None
    under_way = told = False
    try:
        reader = LineReader(path, offset)
    except FileNotFoundError:
        return None
    try:
        while True:
            for _, line in reader.lines():
                seen = stream.read(line)
                if seen.result is not None:
                    result, under_way, told = seen.result, False, True
                elif seen.state is not None:
                    told = told or seen.state is not State.IDLE
                    under_way = seen.state is not State.IDLE
            if not reader.more:
                break
    finally:
        reader.close()
    return LastTurn(result, under_way) if told else None
