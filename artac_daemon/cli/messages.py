"""send and interrupt: what is said to a session that runs."""

from __future__ import annotations

import argparse

from ..model.errors import ArtacError, ErrorKind
from . import turns
from .client import Client, session_path
from .options import add_json, duration, message_uuid, usage
from .rendering import json_text


def send_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "With --wait the exit code tells how the turn went:\n"
        "0 success, 10 failed, 11 interrupted, 12 the session ended first, 13 the message was\n"
        "cancelled, 8 timeout.\n"
        "Into a terminal session it is typed and submitted, or queued while Claude works. Exit\n"
        "code 6: nothing was typed, as Claude has a dialog open, or somebody's words in its input\n"
        "box. 8: it was typed, and Claude does not show that it took it. There is no --wait for\n"
        "those: artac wait SESSION --for idle."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("text", metavar="TEXT", help="the message; - reads stdin")
    parser.add_argument(
        "--uuid", type=message_uuid, help="its id: the same one twice is one message"
    )
    parser.add_argument("--wait", action="store_true", help="wait for the reply and print it")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="how long --wait waits")
    add_json(parser)


def send(options: argparse.Namespace) -> int:
    if options.timeout is not None and not options.wait:
        raise usage("send", "--timeout needs --wait")
    client = Client.of(options)
    if options.wait:
        _must_tell_turns(client, options.session)
    chosen = options.uuid or turns.new_uuid()
    accepted = turns.hand_over(client, options.session, turns.read_text(options.text), chosen)
    session_id = accepted["session"]
    if not options.wait:
        again = ", as it was before" if accepted["duplicate"] else ""
        verb = accepted.get("delivery", "accepted")
        told = f"{'typed into' if verb == 'typed' else f'{verb} by'} {session_id}"
        told += f" as {accepted['uuid']}{again}"
        print(json_text(accepted) if options.json else told)
        return 0
    offset = turns.offset_of(client, accepted)
    turn = turns.await_turn(client, session_id, chosen, offset, options.timeout)
    if options.json:
        print(json_text(turn))
        return turns.exit_code(turn)
    return turns.tell(turn, session_id)


def _must_tell_turns(client: Client, reference: str) -> None:
    """Before anything is sent: ArtacError(USAGE) for a session whose turns have no result."""
    if client.get(session_path(reference))["session"]["kind"] == "terminal":
        raise ArtacError(
            ErrorKind.USAGE,
            f"nothing was sent: --wait is for headless sessions. artac send {reference} TEXT, then "
            f"artac wait {reference} --for idle",
        )


def interrupt_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")
    add_json(parser)


def interrupt(options: argparse.Namespace) -> int:
    session = Client.of(options).post(session_path(options.session, "interrupt"))["session"]
    told = f"interrupted {session['id']} ({session['name']})"
    print(json_text(session) if options.json else told)
    return 0
