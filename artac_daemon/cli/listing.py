"""ls: the sessions there are."""

from __future__ import annotations

import argparse
import time

from .client import QUICK, Client, with_query
from .options import add_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEADS = ("ID", "NAME", "STATE", "MODE", "PLACEMENT", "AGE", "MEM", "CWD")


def ls_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="ended ones too")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    add_json(parser)


def ls(options: argparse.Namespace) -> int:
    target = with_query("/v1/sessions", all=1 if options.all else None)
    call = Client.of(options).begin("GET", target, seconds=QUICK)
    # Imported while the daemon is at work on its answer: together they take half the time.
    from . import rendering

    sessions: list[dict[str, Any]] = call.answer()["sessions"]
    if options.json:
        print(rendering.json_text(sessions))
    elif options.quiet:
        print("".join(f"{session['id']}\n" for session in sessions), end="")
    else:
        print("\n".join(_lines(sessions, time.time())))
    return 0


def _lines(sessions: list[dict[str, Any]], now: float) -> list[str]:
    from . import rendering
    from .escapes import harmless

    rows = [
        (
            session["id"],
            harmless(session["name"]),
            rendering.state(session),
            session["kind"],
            session["placement"],
            rendering.age(now - session["created_at"]),
            rendering.size(session["memory_bytes"]),
            rendering.path(session["cwd"]),
        )
        for session in sessions
    ]
    paint = None
    if rendering.colours():
        paint = {at: rendering.state_colour(row[2]) for at, row in enumerate(rows)}
    return rendering.table(_HEADS, rows, rendering.terminal_width(), paint)
