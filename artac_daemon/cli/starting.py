"""run: a new session."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from . import turns
from .client import Client, ConnectionLost, note
from .options import Parser, add_json, duration, usage
from .rendering import json_text

_LONGEST_QUEUE = 86400.0


def run_options(parser: Parser) -> None:
    parser.takes_rest = True
    parser.usage = "artac run [OPTION ...] [PROMPT | -] [-- CLAUDE_ARGUMENT ...]"
    parser.epilog = (
        "Arguments after -- are Claude Code's. With --wait the exit code tells how the turn went:\n"
        "0 success, 10 failed, 11 interrupted, 12 the session ended first, 8 timeout."
    )
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="first message; - reads stdin")
    parser.add_argument("--name", default="", help="a name for the session")
    parser.add_argument("--cwd", metavar="DIR", help="where it works; default: here")
    parser.add_argument(
        "-t", "--terminal", action="store_true", help="Claude's own screen in a terminal"
    )
    parser.add_argument("--model", default="", help="the model Claude uses")
    parser.add_argument(
        "--permission-mode", default="", metavar="MODE", help="what it may do without asking"
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
    parser.bare["--queue"] = "--queue=10min"
    parser.add_argument(
        "--queue",
        type=duration,
        metavar="[=TIME]",
        help="when limits let no session start now, wait in line; at most TIME, or 10min",
    )
    parser.add_argument("--wait", action="store_true", help="wait for the reply and print it")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="how long --wait waits")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    client = Client.of(options)
    body = _request(options)
    try:
        session = _start(client, body, options.queue)
    except ConnectionLost as lost:
        raise ArtacError(
            ErrorKind.UNAVAILABLE,
            f"{lost.message}: whether the session was started is not known, see `artac ls`",
        ) from None
    named = "" if session["name"] == session["id"] else f" ({session['name']})"
    started = f"started {session['id']}{named}"
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


def _start(client: Client, body: dict[str, Any], queue: float | None) -> dict[str, Any]:
    """The session, started now or when its turn in the queue has come."""
    try:
        session: dict[str, Any] = client.post("/v1/sessions", body)["session"]
    except NotAdmitted as refused:
        if queue is None:
            raise
        note(f"queued: {refused.reason}")
        # Nothing has been started: the same request once more, and this one waits.
        session = client.post("/v1/sessions", {**body, "queue": queue})["session"]
    return session


def _request(options: argparse.Namespace) -> dict[str, Any]:
    if options.timeout is not None and not options.wait:
        raise usage("run", "--timeout needs --wait")
    if options.wait and options.prompt is None:
        raise usage("run", "--wait needs a prompt to wait for")
    if options.queue is not None and options.queue > _LONGEST_QUEUE:
        raise usage("run", "--queue waits for a day at most")
    if options.terminal and options.prompt is not None:
        raise usage("run", "a terminal session takes no prompt")
    body: dict[str, Any] = {
        "cwd": _directory(options.cwd),
        "kind": "terminal" if options.terminal else "headless",
        "name": options.name,
        "model": options.model,
        "permission_mode": options.permission_mode or None,
        "allowed_tools": [tool for tool in options.allowed_tools.split(",") if tool],
        "claude_args": options.rest,
        "env": dict(map(_variable, options.env)),
    }
    if options.limit:
        from .limiting import assignments

        body["limits"] = assignments("run", options.limit)
    if options.prompt is not None:
        body["prompt"] = turns.read_text(options.prompt)
        body["prompt_uuid"] = turns.new_uuid()
    if options.terminal:
        body["size"] = _window()
    return body


def _directory(given: str | None) -> str:
    try:
        return os.path.abspath(os.path.expanduser(given or "."))
    except FileNotFoundError:
        raise ArtacError(ErrorKind.FAILED, "the current directory is gone; give --cwd") from None


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        if name not in os.environ:
            raise usage("run", f"--env {name}: the variable is not set here, so give its value")
        value = os.environ[name]
    return name, value


def _window() -> list[int] | None:
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        try:
            columns, rows = os.get_terminal_size(stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue
        if columns and rows:
            return [columns, rows]
    return None
