"""start and declared: the sessions that files in sessions.d describe."""

from __future__ import annotations

import argparse
from typing import Any

from ..client.waiting import reach
from ..model.errors import ArtacError, TurnExit
from . import rendering, turns
from .beginning import add_queue, begin, sentence, target, tell
from .client import PATIENCE, Client, note
from .escapes import harmless
from .options import Parser, add_json, duration, usage

_HEADS = ("NAME", "START", "STATE", "SESSION", "FILE")
# Reasons of an end that nobody has to look into.
_IN_ORDER = frozenset({"completed", "stopped", "killed"})


def start_options(parser: Parser) -> None:
    parser.epilog = (
        "One that runs already is left alone: it is said so, and the exit code is 0.\n"
        "With --wait the exit code tells how the turn went, as with `artac run --wait`; of a\n"
        "session without a prompt the end is waited for, and 12 is an end that was no one's wish."
    )
    parser.add_argument("names", nargs="+", metavar="DECLARED", help="as `artac declared` has it")
    add_queue(parser)
    parser.add_argument(
        "--wait", action="store_true", help="wait for the reply to the prompt and print it"
    )
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="how long --wait waits")
    parser.add_argument(
        "--stop", action="store_true", help="with --wait: then end the session, after Ctrl-C too"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="with --wait: do not print the reply"
    )
    add_json(parser)


def start(options: argparse.Namespace) -> int:
    names = list(dict.fromkeys(options.names))
    if not options.wait and (options.timeout is not None or options.stop or options.quiet):
        raise usage("start", "--timeout, --stop and --quiet need --wait")
    if options.wait and len(names) > 1:
        raise usage("start", "--wait waits for one session: give one name")
    client = Client.of(options)
    failed = 0
    for name in names:
        body = {"prompt_uuid": turns.new_uuid()}
        try:
            reply = begin(client, target(name), body, options.queue)
        except ArtacError as error:
            note(error.message)
            failed = error.kind.exit_code
            continue
        if options.wait and reply["started"]:
            return _wait(client, reply, options)
        tell(reply, options.json)
    return failed


def _wait(client: Client, reply: dict[str, Any], options: argparse.Namespace) -> int:
    if not options.stop:
        return _outcome(client, reply, options)
    from .stop_on_signal import INTERRUPTED, StopOnSignal

    stopping, interrupted = StopOnSignal(client, reply["session"]["id"]), False
    try:
        code = _outcome(client, reply, options)
    finally:
        interrupted = stopping.finish()
    return INTERRUPTED if interrupted else code


def _outcome(client: Client, reply: dict[str, Any], options: argparse.Namespace) -> int:
    session_id = reply["session"]["id"]
    note(sentence(reply))
    if reply["prompt"] is None:
        return _await_end(client, reply, options)
    uuid = reply["prompt"]["uuid"]
    turn = turns.await_turn(client, session_id, uuid, 0, options.timeout)
    if options.json:
        print(rendering.json_text({"session": reply["session"], "turn": turn}))
    if not options.json and not options.quiet:
        return turns.tell(turn, session_id)
    if turns.exit_code(turn):
        note(f"the turn: {turn['outcome']}; see artac logs {session_id}")
    return turns.exit_code(turn)


def _await_end(client: Client, reply: dict[str, Any], options: argparse.Namespace) -> int:
    session = client.carry_out(reach(reply["session"]["id"], "ended", options.timeout, PATIENCE))
    if options.json:
        print(rendering.json_text({"session": session, "turn": None}))
    else:
        note(f"{session['id']} ended: {rendering.ending(session['end'])}")
    return 0 if session["end"]["reason"] in _IN_ORDER else TurnExit.SESSION_ENDED


def declared_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "`artac start NAME` starts one; `artac run --save NAME` writes one. STATE is that of the\n"
        "session that runs, or how the last one ended. Of a broken file it is said what is wrong."
    )
    add_json(parser)


def declared(options: argparse.Namespace) -> int:
    found = Client.of(options).get("/v1/declared")
    if options.json:
        print(rendering.json_text(found["declared"]))
        return 0
    if not found["declared"]:
        note(f"nothing is declared in {found['directory']}")
        return 0
    rows = [_line(row) for row in found["declared"]]
    paint = None
    if rendering.colours():
        paint = {at: _colour(row[2]) for at, row in enumerate(rows)}
    broken = any(row["problem"] for row in found["declared"])
    # What is wrong with a file is not to be cut.
    columns = None if broken else rendering.terminal_width()
    print("\n".join(rendering.table(_HEADS, rows, columns, paint)))
    return 0


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    session = row["session"]
    state = rendering.state(session) if session else "not-started"
    live = session["id"] if session and not session["end"] else "-"
    if row["problem"]:
        state = "broken" if live == "-" else f"{state},broken"
        return harmless(row["name"]), "-", state, live, harmless(row["problem"])
    return row["name"], row["start"], state, live, rendering.path(row["path"])


def _colour(state: str) -> str:
    if state.endswith("broken"):
        return "red"
    return "dim" if state == "not-started" else rendering.state_colour(state)
