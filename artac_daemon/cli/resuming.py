"""resume, restarts: taking up the conversations of ended sessions, by hand and by themselves."""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from typing import Any

from . import attach
from .beginning import add_queue, begin
from .client import Client, note, session_path
from .escapes import harmless
from .options import POLICIES, Parser, add_json, restart_policy
from .rendering import json_text
from .starting import variables, window


def resume_options(parser: Parser) -> None:
    parser.epilog = (
        "It is a new session with the same conversation, directory and settings. What was cut off\n"
        "is told and not run again. A terminal session is attached to, as with `artac run`."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("--name", default="", help="a name for it; default: the one it had")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "-t", "--terminal", action="store_true", help="as a terminal session, whatever it was"
    )
    kind.add_argument("--headless", action="store_true", help="as a headless one, whatever it was")
    parser.add_argument(
        "-d", "--detach", action="store_true", help="stay out of a terminal session"
    )
    attach.add_escape(parser)
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a variable for it, as with `artac run`: artac keeps no values",
    )
    parser.add_argument(
        "--without-env", action="store_true", help="without the variables that it had"
    )
    parser.add_argument(
        "--continue-interrupted",
        action="store_true",
        help="run the turn again that was cut off, with its tools",
    )
    add_queue(parser)
    add_json(parser)


def resume(options: argparse.Namespace) -> int:
    client = Client.of(options)
    body: dict[str, Any] = {
        "name": options.name,
        "env": variables("resume", options.env),
        "without_env": options.without_env,
        "continue_interrupted": options.continue_interrupted,
        "size": window(),
    }
    if options.terminal or options.headless:
        body["kind"] = "terminal" if options.terminal else "headless"
    reply = begin(client, session_path(options.session, "resume"), body, options.queue)
    session = reply["session"]
    named = "" if session["name"] == session["id"] else f" ({session['name']})"
    told = f"resumed {reply['resumed']} as {session['id']}{named}"
    if reply["anew"]:
        note("nothing had been said in it: the conversation begins anew")
    if reply["interrupted"]:
        note(harmless(cut_off(reply["interrupted"], options.continue_interrupted)))
    if left := reply["handed_down"]:
        note(f"{left} message{'s' if left > 1 else ''} that Claude had not begun with go to it")
    here = os.isatty(0) and os.isatty(1) and not options.json and not options.detach
    if session["kind"] == "terminal" and here:
        note(told)
        return attach.from_start(client, session["id"], options.escape)
    print(json_text(reply) if options.json else told)
    return 0


def cut_off(interrupted: dict[str, Any], again: bool = False) -> str:
    """What was cut off, in a sentence."""
    parts = []
    if interrupted.get("message"):
        parts.append(f'the turn of "{interrupted["message"]}"')
    if interrupted.get("tool"):
        parts.append(f"the tool {interrupted['tool']}")
    what = " in ".join(reversed(parts)) or "a turn"
    return f"cut off: {what}; " + ("it is run again" if again else "it is not run again by itself")


def restarts_options(parser: Parser) -> None:
    parser.epilog = (
        "no: never. on-failure: when it ended otherwise than in order or on purpose.\n"
        "on-boot: when the machine went down under it.\n"
        "Without a policy: what it has, and what is to come."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("policy", nargs="?", metavar=POLICIES)
    add_json(parser)


def restarts(options: argparse.Namespace) -> int:
    client = Client.of(options)
    if options.policy is None:
        session = client.get(session_path(options.session))["session"]
    else:
        body = {"restart": restart_policy("restarts", options.policy)}
        session = client.post(session_path(options.session, "restarts"), body)["session"]
    if options.json:
        print(json_text({"restart": session["restart"], **session["restarts"]}))
        return 0
    named = "" if session["name"] == session["id"] else f" ({session['name']})"
    print(f"{session['id']}{named} restarts: {harmless(in_words(session))}")
    return 0


def in_words(session: dict[str, Any]) -> str:
    """A session's policy, its attempts and the next one."""
    told = ", ".join(session["restart"]) or "no"
    known = session["restarts"]
    if tried := len(known["attempts"]):
        told += f"; tried {tried} time" + ("" if tried == 1 else "s")
    if known["next_at"]:
        at = datetime.fromtimestamp(known["next_at"]).strftime("%H:%M:%S")
        told += f"; next at {at}"
    return told + (f"; {known['why']}" if known["why"] else "")
