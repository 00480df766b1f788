"""wait: until a session has ended, or is in one of some states."""

from __future__ import annotations

import argparse

from ..client.waiting import reach
from ..model.errors import TurnExit
from .client import PATIENCE, Client, note
from .options import add_json, duration
from .rendering import ending, json_text


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
    parser.add_argument(
        "--timeout", type=duration, metavar="TIME", help="give up after that time; default: never"
    )
    add_json(parser)


def wait(options: argparse.Namespace) -> int:
    reached = reach(options.session, options.states, options.timeout, PATIENCE)
    session = Client.of(options).carry_out(reached)
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
