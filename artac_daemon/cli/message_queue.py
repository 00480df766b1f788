"""messages and cancel: what was sent to a session and waits, and taking it back."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .client import Client, note, session_path, with_query
from .escapes import harmless
from .options import add_json, usage
from .rendering import age, cut, json_text, table

_SHORT = 8  # characters of a uuid that are shown, unless two begin alike
_WORDS = 60
_HEADS = ("MESSAGE", "STATE", "FOR", "BY", "WORDS")
# What the daemon waits for Claude at most is less than this (seconds).
_PATIENCE = 30.0


def messages_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "queued: not with Claude yet; delivered: with Claude, which has not begun with it;\n"
        "taken: being worked on; answered; cancelled; undelivered: the session ended first."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("--all", action="store_true", help="also those that Claude has begun with")
    add_json(parser)


def messages(options: argparse.Namespace) -> int:
    found = _listed(Client.of(options), options.session, options.all)
    if options.json:
        print(json_text(found))
        return 0
    if not found:
        note("no message waits" if not options.all else "no message is known")
        return 0
    length = _length([item["uuid"] for item in found])
    now = time.time()
    rows = [
        (
            item["uuid"][:length],
            _state(item),
            age(now - item["since"]),
            harmless(item["by"] or "-"),
            cut(harmless(" ".join(item["head"].split())), _WORDS),
        )
        for item in found
    ]
    print("\n".join(table(_HEADS, rows, None)))
    return 0


def cancel_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "What Claude has begun with cannot be cancelled (exit code 6): artac interrupt ends its\n"
        "turn. `artac messages SESSION` lists what waits."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument(
        "message", nargs="?", metavar="MESSAGE", help="its uuid, or the start of it"
    )
    parser.add_argument("--all", action="store_true", help="every message that waits")
    add_json(parser)


def cancel(options: argparse.Namespace) -> int:
    if options.all == (options.message is not None):
        raise usage("cancel", "give one MESSAGE, or --all")
    client = Client.of(options)
    known = _listed(client, options.session, everything=not options.all)
    # From the end: what is before it must not move up and be handed over meanwhile.
    wanted = known[::-1] if options.all else [_meant(known, options.message, options.session)]
    cancelled, failure = [], 0
    for item in wanted:
        try:
            target = session_path(options.session, "messages", item["uuid"])
            call = client.begin("DELETE", target, seconds=_PATIENCE)
            cancelled.append(call.answer()["message"])
        except ArtacError as error:
            if not options.all:
                raise
            note(error.message)
            failure = error.kind.exit_code
            continue
        if not options.json:
            print(f"cancelled {item['uuid']}")
    if options.json:
        print(json_text(cancelled if options.all else cancelled[0]))
    elif not wanted:
        note("no message waits")
    return failure


def _listed(client: Client, reference: str, everything: bool) -> list[dict[str, Any]]:
    target = with_query(session_path(reference, "messages"), all=int(everything))
    found: list[dict[str, Any]] = client.get(target)["messages"]
    return found


def _meant(known: list[dict[str, Any]], start: str, reference: str) -> dict[str, Any]:
    found = [item for item in known if item["uuid"].startswith(start.lower())]
    if not found or not start:
        raise ArtacError(
            ErrorKind.NOT_FOUND,
            f"session {reference} knows of no message {start!r}; "
            f"artac messages {reference} --all lists those it knows",
        )
    if len(found) > 1:
        uuids = ", ".join(item["uuid"] for item in found[:5])
        raise ArtacError(
            ErrorKind.CONFLICT, f"{start!r} means several messages ({uuids}): say more"
        )
    return found[0]


def _length(uuids: list[str]) -> int:
    length = _SHORT
    while len({uuid[:length] for uuid in uuids}) < len(uuids):
        length += 1
    return length


def _state(item: dict[str, Any]) -> str:
    return f"{item['state']} ({item['outcome']})" if item["outcome"] else str(item["state"])
