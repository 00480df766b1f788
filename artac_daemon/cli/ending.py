"""stop and kill: the end of sessions, in order or at once."""

from __future__ import annotations

import argparse
import sys

from ..model.errors import ArtacError, ErrorKind
from .client import Call, Client, note, session_path, with_query
from .escapes import harmless
from .options import duration, usage
from .rendering import ending

# So many requests are under way at a time; each of them takes a descriptor here and there.
_AT_ONCE = 64


def stop_options(parser: argparse.ArgumentParser) -> None:
    _add_sessions(parser)
    parser.add_argument(
        "--grace",
        type=duration,
        metavar="TIME",
        help="time for each step before it is killed; default: the stop_grace setting",
    )


def stop(options: argparse.Namespace) -> int:
    return _end("stop", options, options.grace)


def kill_options(parser: argparse.ArgumentParser) -> None:
    _add_sessions(parser)


def kill(options: argparse.Namespace) -> int:
    return _end("kill", options, None)


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sessions", nargs="*", metavar="SESSION")
    parser.add_argument("--all", action="store_true", help="every session that runs")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before --all")


def _end(verb: str, options: argparse.Namespace, grace: float | None) -> int:
    client = Client.of(options)
    if options.all == bool(options.sessions):
        raise usage(verb, "give sessions, or --all")
    chosen = (
        _all(verb, client, options.yes) if options.all else list(dict.fromkeys(options.sessions))
    )
    failed = 0
    for start in range(0, len(chosen), _AT_ONCE):
        batch = chosen[start : start + _AT_ONCE]
        calls = [
            client.begin("POST", with_query(session_path(reference, verb), grace=grace))
            for reference in batch
        ]
        for call in calls:
            failed = _tell(call) or failed
    return failed


def _tell(call: Call) -> int:
    try:
        session = call.answer()["session"]
    except ArtacError as error:
        note(error.message)
        return error.kind.exit_code
    told = ending(session["end"]) if session["end"] else session["state"]
    print(f"{session['id']} ({session['name']}) {told}", flush=True)
    return 0


def _all(verb: str, client: Client, agreed: bool) -> list[str]:
    sessions = client.get("/v1/sessions")["sessions"]
    if not sessions:
        note("no session runs")
        return []
    if not agreed:
        if not sys.stdin.isatty():
            raise ArtacError(
                ErrorKind.USAGE, f"{verb} --all asks first, and there is no terminal: add --yes"
            )
        names = ", ".join(session["name"] for session in sessions[:8])
        more = f" and {len(sessions) - 8} more" if len(sessions) > 8 else ""
        question = harmless(f"{verb} {len(sessions)} sessions ({names}{more})? [y/N] ")
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise ArtacError(ErrorKind.FAILED, "nothing was ended")
    return [session["id"] for session in sessions]
