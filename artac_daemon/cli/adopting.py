"""adopt: a Claude Code process that somebody else has started."""

from __future__ import annotations

import argparse

from .client import Client, note
from .options import add_json, usage
from .rendering import json_text


def adopt_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The process and all that it has started become a session in a scope of its own:\n"
        "status, wait, stop and kill work on it. Its input and output stay where they were."
    )
    parser.add_argument("pid", metavar="PID")
    parser.add_argument("--name", default="", help="the session's name; otherwise its id")
    add_json(parser)


def adopt(options: argparse.Namespace) -> int:
    if not (options.pid.isascii() and options.pid.isdigit() and len(options.pid) < 10):
        raise usage("adopt", f"{options.pid!r} is no process id")
    answer = Client.of(options).post(
        "/v1/adopt", {"pid": int(options.pid), "name": options.name or None}
    )
    session, outside = answer["session"], answer["outside"]
    if outside:
        note(f"stayed outside, as they could not be moved: {', '.join(map(str, outside))}")
    if options.json:
        print(json_text(session))
        return 0
    print(f"adopted {options.pid} as {session['id']} ({session['name']})")
    print("its input and output stay where they were")
    return 0
