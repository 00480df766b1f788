"""Asking the daemon for a session, and telling what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..client.http1 import quote
from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from .client import Client, ConnectionLost, note
from .escapes import harmless
from .options import Parser, duration
from .rendering import json_text

LONGEST_QUEUE = 86400.0


def add_queue(parser: Parser) -> None:
    """How long to wait where no session may start now."""
    parser.bare["--queue"] = "--queue=10min"
    parser.add_argument(
        "--queue",
        type=duration,
        metavar="[=TIME]",
        help="when limits let no session start now, wait in line: --queue=1h for so long at most, "
        "--queue alone for 10min",
    )


def begin(client: Client, target: str, body: dict[str, Any], queue: float | None) -> dict[str, Any]:
    """The daemon's answer: a session, started now or when its turn in the queue has come."""
    try:
        return started(client, target, body, queue)
    except ConnectionLost as lost:
        raise ArtacError(
            ErrorKind.UNAVAILABLE,
            f"{lost.message}: whether the session was started is not known, see `artac ls`",
        ) from None


def started(
    client: Client,
    target: str,
    body: dict[str, Any],
    queue: float | None,
    waiting: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The same; `waiting` is called before it waits in line. ConnectionLost: nobody knows."""
    if queue is not None and queue > LONGEST_QUEUE:
        raise ArtacError(ErrorKind.USAGE, "--queue waits for a day at most")
    try:
        reply = client.post(target, body)
    except NotAdmitted as refused:
        if queue is None:
            raise
        note(f"queued: {refused.reason}")
        waiting()
        # Nothing has been started: the same request once more, and this one waits.
        reply = client.post(target, {**body, "queue": queue})
    for question in reply.get("will_ask", ()):
        note(harmless(f"{question['sentence']} -- {question['what_to_do']}"))
    return reply


def place_of(name: str) -> str:
    """The API's path of a declared session."""
    if not name.strip("."):
        raise ArtacError(ErrorKind.USAGE, f"{name!r} is no declared session's name")
    return f"/v1/declared/{quote(name)}"


def target(name: str) -> str:
    """Where to ask for a start."""
    return f"{place_of(name)}/start"


def tell(reply: dict[str, Any], as_json: bool) -> int:
    """Print what came of a start; the exit code."""
    shown = {"session": reply["session"], "started": reply["started"]}
    print(json_text(shown) if as_json else sentence(reply), flush=True)
    return 0


def sentence(reply: dict[str, Any]) -> str:
    """What came of a start."""
    session = reply["session"]
    if reply["started"]:
        return f"started {session['id']} ({session['name']})"
    return f"{session['id']} ({session['name']}) runs already, {session['state']}: nothing started"
