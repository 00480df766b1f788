"""run: a new session."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from . import attach, turns
from .beginning import LONGEST_QUEUE, add_queue, begin, target, tell
from .client import Client, note
from .options import POLICIES, Parser, add_json, duration, restart_policy, usage
from .rendering import json_text


def run_options(parser: Parser) -> None:
    parser.takes_rest = True
    parser.usage = "artac run [OPTION ...] [PROMPT | -] [-- CLAUDE_ARGUMENT ...]"
    parser.epilog = (
        "Arguments after -- are Claude Code's. With --wait the exit code tells how the turn went:\n"
        "0 success, 10 failed, 11 interrupted, 12 the session ended first, 13 the message was\n"
        "cancelled, 8 timeout.\n"
        "A terminal session is attached to, and the exit code is as with `artac attach`."
    )
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="first message; - reads stdin")
    parser.add_argument(
        "-t",
        "--terminal",
        action="store_true",
        help="Claude's own screen in this terminal; so it is without a prompt, on a terminal",
    )
    parser.add_argument(
        "-d", "--detach", action="store_true", help="start a terminal session, and stay out of it"
    )
    attach.add_escape(parser)
    add_session_options(parser)
    parser.add_argument(
        "--restart",
        metavar=POLICIES,
        help="when it is resumed without anybody asking; default: no",
    )
    parser.add_argument(
        "--save", default="", metavar="NAME", help="write it to sessions.d, and start it from there"
    )
    parser.add_argument(
        "--force", action="store_true", help="with --save: replace the file of that name"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --save: print the file, start nothing"
    )
    parser.add_argument("--wait", action="store_true", help="wait for the reply and print it")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="how long --wait waits")
    add_json(parser)


def add_session_options(parser: Parser) -> None:
    """What every new session may be given."""
    parser.add_argument("--name", default="", help="a name for the session")
    parser.add_argument("--cwd", metavar="DIR", help="where it works; default: here")
    parser.add_argument("--model", default="", help="the model Claude uses")
    parser.add_argument(
        "--permission-mode",
        default="",
        metavar="MODE",
        help="what it may do without asking: default, acceptEdits, plan or dontAsk; "
        "default: as the policy or the setting says",
    )
    parser.add_argument(
        "--allowed-tools", default="", metavar="A,B", help="tools it may use without asking"
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a variable for it; without a value, yours (others see a command's arguments)",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="memory=3G, tasks=500, cpu=150%%, runtime=2h, idle=1h and others: see artac limit",
    )
    add_queue(parser)
    parser.add_argument(
        "--persist",
        action=argparse.BooleanOptionalAction,
        help="whether it outlives the daemon; without it: as the setting says",
    )


def run(options: argparse.Namespace) -> int:
    client = Client.of(options)
    attaches = _takes_terminal(options)
    body = _request(options)
    place = "/v1/sessions"
    if options.save:
        from . import saving

        if not saving.save(client, options, body):
            return 0
        place, body = target(options.save), saving.additions(options, body)
    reply = begin(client, place, body, options.queue)
    session = reply["session"]
    if not reply.get("started", True):
        return tell(reply, options.json)
    named = "" if session["name"] == session["id"] else f" ({session['name']})"
    started = f"started {session['id']}{named}"
    if attaches:
        note(started)
        return attach.from_start(client, session["id"], options.escape)
    if not options.wait:
        print(json_text(session) if options.json else started)
        return 0
    # Standard output is for the reply alone, so that it can be piped on.
    note(started)
    turn = turns.await_turn(client, session["id"], body["prompt_uuid"], 0, options.timeout)
    if options.json:
        print(json_text({"session": session, "turn": turn}))
        return turns.exit_code(turn)
    return turns.tell(turn, session["id"])


def _takes_terminal(options: argparse.Namespace) -> bool:
    """Whether to attach to the session; decides what kind of session it is."""
    here = os.isatty(0) and os.isatty(1) and not options.json
    alone = options.prompt is None and not options.wait and options.timeout is None
    options.terminal |= options.detach or (here and alone)
    return bool(options.terminal and here and not options.detach)


def _request(options: argparse.Namespace) -> dict[str, Any]:
    if options.timeout is not None and not options.wait:
        raise usage("run", "--timeout needs --wait")
    if options.wait and options.prompt is None:
        raise usage("run", "--wait needs a prompt to wait for")
    if options.terminal and options.prompt is not None:
        raise usage(
            "run",
            "-t and -d start a terminal session, which takes no prompt: with a prompt leave them "
            "out, `artac run` returns at once",
        )
    if options.save and options.name not in ("", options.save):
        raise usage("run", "a session that is saved has the name of its file: leave --name out")
    if not options.save and (options.force or options.dry_run):
        raise usage("run", "--force and --dry-run need --save")
    body = session_request("run", options)
    body["kind"] = "terminal" if options.terminal else "headless"
    if options.restart:
        body["restart"] = restart_policy("run", options.restart)
        if body["restart"] and options.env:
            note("with --env it does not come back by itself: artac does not keep the values")
    if options.prompt is not None:
        body["prompt"] = turns.read_text(options.prompt)
        body["prompt_uuid"] = turns.new_uuid()
    if options.terminal:
        body["size"] = window()
    return body


def session_request(verb: str, options: argparse.Namespace) -> dict[str, Any]:
    """The request that the options of `add_session_options` make."""
    if options.queue is not None and options.queue > LONGEST_QUEUE:
        raise usage(verb, "--queue waits for a day at most")
    body: dict[str, Any] = {
        "cwd": _directory(options.cwd),
        "name": options.name,
        "model": options.model,
        "permission_mode": options.permission_mode or None,
        "allowed_tools": [tool for tool in options.allowed_tools.split(",") if tool],
        "claude_args": options.rest,
        "env": variables(verb, options.env),
    }
    if options.persist is not None:
        body["persist"] = options.persist
    if options.limit:
        from .limiting import assignments

        body["limits"] = assignments(verb, options.limit)
    return body


def _directory(given: str | None) -> str:
    try:
        return os.path.abspath(os.path.expanduser(given or "."))
    except FileNotFoundError:
        raise ArtacError(ErrorKind.FAILED, "the current directory is gone; give --cwd") from None


def variables(verb: str, given: list[str]) -> dict[str, str]:
    """The variables of --env NAME[=VALUE]."""
    return dict(_variable(verb, word) for word in given)


def _variable(verb: str, given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        if name not in os.environ:
            raise usage(verb, f"--env {name}: the variable is not set here, so give its value")
        value = os.environ[name]
    return name, value


def window() -> list[int] | None:
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        try:
            columns, rows = os.get_terminal_size(stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue
        if columns and rows:
            return [columns, rows]
    return None
