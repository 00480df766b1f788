"""exec: one prompt in a session of its own. Its reply comes out, and nothing of it stays."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..client.waiting import reach
from ..model.errors import ArtacError, ErrorKind, TurnExit
from . import starting, turns
from .beginning import started
from .client import PATIENCE, Client, ConnectionLost, NoDaemon, note, session_path
from .interruption import Interrupted, Interruption
from .options import Parser, add_json, duration, usage
from .rendering import ending, json_text

_PIPE_CLOSED = 141


def exec_options(parser: Parser) -> None:
    parser.takes_rest = True
    parser.usage = "artac exec [OPTION ...] (PROMPT [-] | -) [-- CLAUDE_ARGUMENT ...]"
    parser.epilog = (
        "Standard output has the reply alone. The session is ended when its turn is over, with\n"
        "all that it started; what is not permitted is denied. The exit code tells how it went:\n"
        "0 success, 10 failed, 11 interrupted, 12 the session ended first, 8 no result in time.\n"
        "Ctrl-C, SIGTERM and SIGHUP end the session in order; a second one kills it."
    )
    parser.add_argument(
        "prompt", nargs="+", metavar="PROMPT", help="the prompt; - is standard input, or appends it"
    )
    starting.add_session_options(parser)
    parser.add_argument(
        "--timeout", type=duration, metavar="TIME", help="end it when it takes longer"
    )
    parser.add_argument(
        "--ask",
        action="store_true",
        help="wait where a permission is missing, for `artac allow` or `artac deny`",
    )
    what_stays = parser.add_mutually_exclusive_group()
    what_stays.add_argument(
        "--keep", action="store_true", help="end nothing: the session goes on, as with run --wait"
    )
    what_stays.add_argument(
        "--rm", action="store_true", help="remove its record and output, too, once it has ended"
    )
    add_json(parser)


def exec(options: argparse.Namespace) -> int:
    body = _request(options)
    client = Client.of(options)
    with Interruption() as interruption:
        try:
            session = _started(client, body, options.queue, interruption)
        except Interrupted as stop:
            found = _find(client, body) if client.met else None
            if found is None:
                return stop.exit_code
            return _ended_early(client, found, stop, interruption, options)
        named = "" if session["name"] == session["id"] else f" ({session['name']})"
        try:
            note(f"started {session['id']}{named}")
            interruption.allow()
            return _followed(client, session, body["prompt_uuid"], options)
        except Interrupted as stop:
            return _ended_early(client, session, stop, interruption, options)


def _request(options: argparse.Namespace) -> dict[str, Any]:
    body = starting.session_request("exec", options)
    first, *more = options.prompt
    if more not in ([], ["-"]) or (more and first == "-"):
        raise usage("exec", "give one PROMPT, in quotes; a - behind it appends standard input")
    if options.timeout == 0:
        raise usage("exec", "--timeout must be more than 0")
    prompt = turns.read_text(first)
    if more:
        prompt = f"{prompt}\n\n{turns.read_text('-')}"
    body |= {"prompt": prompt, "prompt_uuid": turns.new_uuid(), "kind": "headless"}
    body |= {"deny_permissions": not options.ask}
    if not options.keep:
        body |= {"one_shot": True, "turn_timeout": options.timeout}
    return body


# Starting


def _started(
    client: Client, body: dict[str, Any], queue: float | None, interruption: Interruption
) -> dict[str, Any]:
    try:
        # Until its id is known nobody could end it: a signal waits for that, but for no queue.
        answer = started(client, "/v1/sessions", body, queue, interruption.allow)
        session: dict[str, Any] = answer["session"]
        return session
    except ConnectionLost as lost:
        unknown = ArtacError(
            ErrorKind.UNAVAILABLE,
            f"{lost.message}: whether the session was started is not known, see `artac ls`",
        )
        if "one_shot" not in body:
            raise unknown from None
        client.outlast(unknown)
    found = _find(client, body)
    if found is None:
        raise ArtacError(ErrorKind.UNAVAILABLE, "the daemon went away: nothing was started")
    return found


def _find(client: Client, body: dict[str, Any]) -> dict[str, Any] | None:
    """The session that was started for that request, if one was and it is a one-shot."""
    sessions: list[dict[str, Any]] = client.get("/v1/sessions?all=1")["sessions"]
    uuid = body["prompt_uuid"]
    return next((found for found in sessions if found.get("one_shot") == uuid), None)


# Waiting


def _followed(
    client: Client, session: dict[str, Any], prompt_uuid: str, options: argparse.Namespace
) -> int:
    """Wait for its turn and for its end; tell both."""
    ref = session["id"]
    limit = options.timeout if options.keep else None  # else it is the daemon's to watch
    turn = turns.await_turn(client, ref, prompt_uuid, 0, limit)
    code, shown = turns.exit_code(turn), True
    # A reply is told at once, whoever reads it need not wait for the end. What else the matter was
    # may be for the end to say.
    at_once = options.keep or turn["outcome"] in ("success", "failed")
    if at_once and not options.json:
        code, shown = _told(lambda: turns.tell(turn, ref), code)
    _tell_denied(turn)
    if not options.keep:
        session = _ended(client, session)
        if not at_once:
            code = _tell_end(session, turn)
    if options.json:
        content = json_text({"session": session, "turn": turn})
        code, shown = _told(lambda: print(content), code)
    if options.rm:
        _remove(client, ref)
    return code if shown else _PIPE_CLOSED


def _ended(client: Client, session: dict[str, Any]) -> dict[str, Any]:
    """The session once nothing of it runs any more."""
    try:
        return client.carry_out(reach(session["id"], "ended", None, PATIENCE, gone=True))
    except ArtacError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        return session  # removed already: keep_ended, or somebody's artac rm


def _told(tell: Callable[[], object], code: int) -> tuple[int, bool]:
    """Print something; the code, and whether anybody reads it."""
    import sys

    try:
        tell()
        sys.stdout.flush()
    except BrokenPipeError:
        # The session is still to be seen to its end; and the interpreter flushes once more.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code, False
    return code, True


def _tell_denied(turn: dict[str, Any]) -> None:
    denied = list(dict.fromkeys(turn.get("denied", ())))
    if denied:
        note(
            f"not permitted, and denied: {', '.join(denied)} "
            "(--allowed-tools and --permission-mode permit more, --ask waits for an answer)"
        )


def _tell_end(session: dict[str, Any], turn: dict[str, Any]) -> int:
    """Say why there was no result; the exit code for it."""
    end, ref = session["end"], session["id"]
    stop = end["stop"] if end else None
    if stop is not None and stop["why"] == "overdue":
        note(f"no result within {stop['limit_seconds']:g}s: session {ref} was ended")
        return ErrorKind.TIMEOUT.exit_code
    # A stop interrupts the turn first; by itself that is somebody's `artac interrupt`.
    if turn["outcome"] != "session-ended" and (stop is None or stop["why"] == "done"):
        return turns.tell(turn, ref)
    how = f": {ending(end)}" if end else ", and its record was removed"
    note(f"session {ref} ended before a result{how}")
    return TurnExit.SESSION_ENDED


def _remove(client: Client, ref: str) -> None:
    try:
        client.begin("DELETE", session_path(ref)).answer()
    except ArtacError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            note(error.message)


# Ending it before its time


def _ended_early(
    client: Client,
    session: dict[str, Any],
    stop: Interrupted,
    interruption: Interruption,
    options: argparse.Namespace,
) -> int:
    """Somebody wants this command to end, and so its session; at once, if asked once more."""
    ref = session["id"]
    if options.keep:
        note(f"session {ref} goes on: artac logs -f {ref}")
        return stop.exit_code
    verb = "stop"
    while True:
        note(f"{stop.name}: {'ending' if verb == 'stop' else 'killing'} session {ref}")
        try:
            interruption.allow()
            _end(client, ref, verb)
            client.carry_out(reach(ref, "ended", None, PATIENCE, gone=True))
            if options.rm:
                _remove(client, ref)
            return stop.exit_code
        except Interrupted as again:
            if verb == "kill":
                note(f"session {ref} may still be there: artac kill {ref}")
                return again.exit_code
            verb = "kill"


def _end(client: Client, ref: str, verb: str) -> None:
    """ArtacError where no daemon comes back to do it; the next one ends it after its turn."""
    while True:
        try:
            client.post(session_path(ref, verb))
            return
        except (ConnectionLost, NoDaemon):
            client.outlast(
                ArtacError(
                    ErrorKind.UNAVAILABLE,
                    f"no daemon answers: session {ref} ends after its turn, once one is back",
                )
            )
        except ArtacError as error:
            if error.kind is not ErrorKind.NOT_RUNNING:
                raise
            return  # it has ended by itself
