"""attach: a session's terminal in this one."""

from __future__ import annotations

import argparse

from . import entry
from .asking import ESCAPE, LINES, Wishes
from .client import Client, sockets
from .options import Parser, count
from .terminal.keys import escape_byte


def attach_options(parser: Parser) -> None:
    parser.epilog = (
        f"The escape key ({ESCAPE}), and then: d detach, r redraw, z suspend, ? help; the escape\n"
        "key itself sends it. The exit code is the session's when it ended, 0 when detached."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("--read-only", action="store_true", help="look, and type nothing")
    parser.add_argument(
        "--ignore-size", action="store_true", help="do not make it fit into this window"
    )
    parser.add_argument("--steal", action="store_true", help="detach everybody else")
    parser.add_argument(
        "--lines",
        type=count,
        default=LINES,
        metavar="N",
        help=f"lines that have scrolled away, for this terminal's scrollback; default: {LINES}",
    )
    add_escape(parser)


def add_escape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--escape",
        type=_escape,
        default=escape_byte(ESCAPE),
        metavar="KEY",
        help=f"the escape key, such as ctrl-a; none: there is none; default: {ESCAPE}",
    )


def attach(options: argparse.Namespace) -> int:
    wishes = Wishes(options.session, options.escape)
    wishes.read_only = options.read_only
    wishes.ignore_size = options.ignore_size
    wishes.steal = options.steal
    wishes.lines = options.lines
    return entry.attach(wishes, sockets(options))


def from_start(client: Client, session: str, escape: int) -> int:
    """Attach to a session that has just been started: to all it has written, from the start on."""
    wishes = Wishes(session, escape)
    wishes.from_start = True
    return entry.attach(wishes, client.candidates)


def _escape(text: str) -> int:
    found = escape_byte(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no escape key: write ctrl-a to ctrl-z, ctrl-\\, ctrl-], ctrl-^, "
            "ctrl-_, or none"
        )
    return found
