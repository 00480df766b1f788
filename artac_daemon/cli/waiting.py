"""wait: until a session has ended, or is in one of some states."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind, TurnExit
from .client import Client, ConnectionLost, NoDaemon, note, session_path, with_query
from .options import add_json, duration
from .rendering import ending, json_text

_POLL = 300.0
_MARGIN = 30.0


def wait_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exits with 12 when the session ended while another state was waited for."
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument(
        "--for",
        dest="states",
        default="ended",
        metavar="STATES",
        help="such as idle,needs-permission; default: ended",
    )
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="give up after that time")
    add_json(parser)


def wait(options: argparse.Namespace) -> int:
    session = _reach(Client.of(options), options.session, options.states, options.timeout)
    end = session["end"]
    if options.json:
        print(json_text(session))
    elif end:
        print(f"{session['id']} ended: {ending(end)}")
    else:
        print(f"{session['id']} {session['state']}")
    if end and "ended" not in options.states.split(","):
        note(f"session {session['id']} ended before it was {options.states}")
        return TurnExit.SESSION_ENDED
    return 0


def _reach(client: Client, reference: str, states: str, seconds: float | None) -> dict[str, Any]:
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        rest = _POLL if deadline is None else max(0.0, min(_POLL, deadline - time.monotonic()))
        target = with_query(session_path(reference, "wait"), **{"for": states}, wait=rest)
        try:
            found = client.get(target, rest + _MARGIN)
        except (ConnectionLost, NoDaemon) as lost:
            if isinstance(lost, NoDaemon) and not client.met:
                raise
            client.outlast(lost)
            continue
        session: dict[str, Any] = found["session"]
        if found["reached"]:
            return session
        reference = session["id"]  # its name may be another's by the time of the next question
        if deadline is not None and time.monotonic() >= deadline:
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"session {reference} is {session['state']} after {seconds:g}s, not {states}",
            )
