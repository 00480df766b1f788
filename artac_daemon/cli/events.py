"""events: Claude's own events as they are, for programs."""

from __future__ import annotations

import argparse
import json
import sys

from ..model.errors import ArtacError, ErrorKind
from . import follow
from .client import Client, session_path
from .escapes import harmless_json
from .event_stream import Event
from .options import count


def events_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the session ends")
    parser.add_argument(
        "--offset", type=count, default=0, metavar="N", help="from that byte of the output on"
    )
    parser.add_argument(
        "--with-offsets",
        action="store_true",
        help='print {"offset":N,"event":{...}}; N is where to go on after it',
    )


def events(options: argparse.Namespace) -> int:
    client = Client.of(options)
    session = client.get(session_path(options.session))["session"]
    if session["kind"] != "headless":
        raise ArtacError(
            ErrorKind.USAGE,
            f"session {session['id']} is a terminal session and has no events; "
            f"see `artac logs {session['id']}`",
        )
    write = sys.stdout.buffer.write
    shown = sys.stdout.isatty()
    for batch in follow.events(client, session["id"], options.offset, options.follow):
        for event in batch:
            line = _with_offset(event) if options.with_offsets else event.data
            if shown:
                line = harmless_json(line.decode("utf-8", "replace")).encode()
            write(line + b"\n")
        sys.stdout.flush()
    return 0


def _with_offset(event: Event) -> bytes:
    data = event.data
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        data = json.dumps(data.decode("utf-8", "replace")).encode()
    return b'{"offset":%d,"event":%s}' % (event.offset, data)
