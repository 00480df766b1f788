"""events: Claude's own events as they are, or the life of all sessions, for programs."""

from __future__ import annotations

import argparse
import json
import sys

from ..client.event_stream import Event
from ..model.errors import ArtacError, ErrorKind
from . import follow, life
from .client import Client, session_path
from .escapes import harmless_json
from .logs import tells_events
from .options import count, usage


def events_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Without SESSION: the life of all sessions, a JSON object on each line, all that are kept\n"
        "or, with -f, from now on. Each has a cursor; --cursor goes on behind it. See\n"
        "docs/observability.md for what there is."
    )
    parser.add_argument("session", nargs="?", metavar="SESSION")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as they come")
    parser.add_argument(
        "--offset", type=count, metavar="N", help="with SESSION: from that byte of the output on"
    )
    parser.add_argument(
        "--with-offsets",
        action="store_true",
        help='with SESSION: print {"offset":N,"event":{...}}; N is where to go on after it',
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cursor", metavar="C", help="of all sessions: go on behind that event")
    where.add_argument(
        "--from-start", action="store_true", help="of all sessions: with -f, the kept ones first"
    )


def events(options: argparse.Namespace) -> int:
    client = Client.of(options)
    if options.session is None:
        return _life(client, options)
    if options.cursor is not None or options.from_start:
        raise usage("events", "--cursor and --from-start are for the events of all sessions")
    session = client.get(session_path(options.session))["session"]
    if not tells_events(session):
        kind, reference = session["kind"], session["id"]
        see = "" if kind == "adopted" else f"; see `artac logs {reference}`"
        what = "prints text" if kind == "piped" else f"is {kind}"
        raise ArtacError(ErrorKind.USAGE, f"session {reference} {what} and has no events{see}")
    for batch in follow.events(client, session["id"], options.offset or 0, options.follow):
        _write([_with_offset(event) if options.with_offsets else event.data for event in batch])
    return 0


def _life(client: Client, options: argparse.Namespace) -> int:
    if options.offset is not None or options.with_offsets:
        raise usage("events", "--offset and --with-offsets need a SESSION")
    cursor = options.cursor
    if cursor is None and options.follow and not options.from_start:
        cursor = "now"
    for batch in life.life(client, cursor, options.follow):
        _write(batch)
    return 0


def _write(lines: list[bytes]) -> None:
    shown = sys.stdout.isatty()
    for line in lines:
        if shown:
            line = harmless_json(line.decode("utf-8", "replace")).encode()
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()


def _with_offset(event: Event) -> bytes:
    data = event.data
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        data = json.dumps(data.decode("utf-8", "replace")).encode()
    return b'{"offset":%d,"event":%s}' % (event.offset, data)
