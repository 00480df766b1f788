"""logs: what a session said, readably, or the bytes of it."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from . import follow, rendering
from .client import Client, note, session_path, with_query
from .escapes import Stripper
from .options import count
from .transcript import Transcript

_WINDOW = 256 * 1024


def logs_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "In the readable form, > is a prompt, * a tool in use, | what it gave, = a turn's result,\n"
        "? a question for permission, ! what went wrong. Of a terminal session it is the lines\n"
        "that were on its screen, each once: without redraws, spinners and the input box."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the session ends")
    parser.add_argument("--raw", action="store_true", help="the very bytes")
    parser.add_argument("--stderr", action="store_true", help="standard error instead of output")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--offset", type=count, metavar="N", help="from that byte of the output on")
    where.add_argument("-n", "--lines", type=count, metavar="N", help="the last N lines only")


def logs(options: argparse.Namespace) -> int:
    client = Client.of(options)
    session = client.get(session_path(options.session))["session"]
    if options.raw or options.stderr or is_text(session):
        _bytes(client, session["id"], options)
    elif tells_events(session):
        _conversation(client, session, options)
    else:
        _terminal(client, session, options)
    if options.follow:
        ended = client.get(with_query(session_path(session["id"], "wait"), wait=0))["session"]
        if end := ended["end"]:
            note(f"session {session['id']} ended: {rendering.ending(end)}")
    return 0


def tells_events(session: dict[str, Any]) -> bool:
    """Whether its output is Claude's events, a line each."""
    if session["kind"] != "piped":
        return bool(session["kind"] == "headless")
    from ..claude.piped import TELLS

    return TELLS in session["claude_args"]


def is_text(session: dict[str, Any]) -> bool:
    """Whether its output is meant to be read as it is: no events, and no terminal."""
    return session["kind"] == "piped" and not tells_events(session)


def _bytes(client: Client, session_id: str, options: argparse.Namespace) -> None:
    name = "stderr" if options.stderr else "output"
    stripper = None if options.raw else Stripper()
    start = options.offset or 0
    if options.lines is not None:
        start, last = follow.tail(client, session_id, name, options.lines)
        start += len(last)
        _write(last, stripper)
        if not options.follow:
            return
    for piece in follow.output(client, session_id, name, start, options.follow):
        _write(piece, stripper)


def _write(piece: bytes, stripper: Stripper | None) -> None:
    if stripper is None:
        sys.stdout.buffer.write(piece)
    else:
        sys.stdout.write(stripper.feed(piece))
    sys.stdout.flush()


def _terminal(client: Client, session: dict[str, Any], options: argparse.Namespace) -> None:
    from . import terminal_logs

    start, coloured = options.offset or 0, rendering.colours()
    if options.lines is not None:
        start = session["output"]["size"]
        _print(terminal_logs.last_lines(client, session, options.lines, coloured))
        if not options.follow:
            return
    reading = terminal_logs.Reading(client, session, start, coloured)
    if options.follow:
        for lines in reading.follow():
            _print(lines)
    else:
        for batch in reading.batches():
            _print(batch)


def _conversation(client: Client, session: dict[str, Any], options: argparse.Namespace) -> None:
    transcript = Transcript(rendering.colours())
    start = options.offset or 0
    if options.lines is not None:
        start, lines = last_lines(client, session, transcript, options.lines)
        _print(lines)
        if not options.follow:
            return
    for batch in follow.events(client, session["id"], start, options.follow):
        _print(line for event in batch for line in transcript.lines(event.data))


def last_lines(
    client: Client, session: dict[str, Any], transcript: Transcript, wanted: int
) -> tuple[int, Iterable[str]]:
    """The last lines of what is there, and the offset behind them."""
    held = session["output"]
    window = _WINDOW
    while True:
        start = end = max(held["first"], held["size"] - window)
        found = 0
        last: deque[str] = deque(maxlen=wanted)
        for batch in follow.events(client, session["id"], start, False):
            for event in batch:
                end = event.offset
                lines = transcript.lines(event.data)
                found += len(lines)
                last.extend(lines)
        if found >= wanted or start == held["first"]:
            return end, last
        window *= 8


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
