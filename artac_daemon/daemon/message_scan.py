"""What the output of a session says of its messages, for a session that nobody follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..claude import stream
from ..host import message_log
from ..model.message import Ledger
from .lines import LineReader
from .message_hearing import Hearing


@dataclass(frozen=True)
class Undelivered:
    """A message that was accepted and that Claude never began with."""

    uuid: str
    text: str
    at: float  # when it was accepted, seconds since the epoch
    by: str  # who sent it


def undelivered(directory: Path) -> list[Undelivered]:
    """The messages of an ended session that Claude never began with, in order, with their texts.

    `directory` is the session's own. Nothing is written. They may be sent, in this order and under
    the same uuids, to whatever takes up the conversation: none of them has had a turn, and a Claude
    that knows one after all passes over it. Cancelled ones are not among them. OSError.
    """
    ledger = Ledger()
    for note in message_log.read(directory / message_log.NAME):
        ledger.take(note)
    scan(ledger, Hearing(ledger), directory / "output")
    return [
        Undelivered(message.uuid, message.text, message.at, message.by)
        for message in ledger.untaken()
        if message.text is not None
    ]


def scan(ledger: Ledger, hearing: Hearing, output: Path) -> None:
    """Move messages by what the output tells, from the first unsettled one's acceptance on."""
    start = min((message.offset for message in ledger.unfinished()), default=None)
    if start is None:
        return
    try:
        reader = LineReader(output, start)
        at = output.stat().st_mtime
    except FileNotFoundError:
        return
    try:
        while True:
            for offset, line in reader.lines():
                seen = stream.read(line)
                if seen is not stream.NOTHING:
                    hearing.hear(seen, offset, at)
            if not reader.more:
                return
    finally:
        reader.close()
