"""persist: whether running sessions outlive the daemon."""

from __future__ import annotations

import argparse

from ..model.errors import ArtacError
from .client import Client, note, session_path
from .options import usage


def persist_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "on: into a scope of its own, so that it lives on when the daemon stops.\n"
        "off: into the daemon's own cgroup, so that it ends with the daemon.\n"
        "The session runs on meanwhile. New sessions are as PERSIST_CLAUDE_SESSIONS says."
    )
    parser.add_argument("sessions", nargs="*", metavar="SESSION")
    parser.add_argument("--all", action="store_true", help="every session that runs")
    parser.add_argument("wanted", metavar="on|off")


def persist(options: argparse.Namespace) -> int:
    if options.wanted not in ("on", "off"):
        raise usage("persist", "the last word is on or off")
    if options.all == bool(options.sessions):
        raise usage("persist", "give sessions, or --all")
    client = Client.of(options)
    chosen = list(dict.fromkeys(options.sessions))
    if options.all:
        running = client.get("/v1/sessions")["sessions"]
        # Adopted ones were there before the daemon and do not end with it.
        chosen = [session["id"] for session in running if session["kind"] != "adopted"]
        if not chosen:
            note("no session runs")
    failed = 0
    for reference in chosen:
        code = _move(client, reference, options.wanted == "on")
        failed = code or failed
    return failed


def _move(client: Client, reference: str, on: bool) -> int:
    try:
        answer = client.post(session_path(reference, "persist"), {"on": on})
    except ArtacError as error:
        note(error.message)
        return error.kind.exit_code
    session = answer["session"]
    fate = "lives on when the daemon stops" if on else "ends with the daemon"
    how = f"moved into {session['placement']}" if answer["moved"] else "nothing to move"
    print(f"{session['id']} ({session['name']}) {fate}: {how}", flush=True)
    return 0
