"""rm and prune: forgetting sessions that have ended."""

from __future__ import annotations

import argparse

from ..model.errors import ArtacError
from .client import Client, note, session_path, with_query
from .options import add_json, count
from .rendering import json_text


def rm_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sessions", nargs="+", metavar="SESSION")
    parser.add_argument("-f", "--force", action="store_true", help="kill those that still run")


def rm(options: argparse.Namespace) -> int:
    client = Client.of(options)
    failed = 0
    for reference in dict.fromkeys(options.sessions):
        target = with_query(session_path(reference), force=1 if options.force else None)
        try:
            removed = client.begin("DELETE", target).answer()["removed"]
        except ArtacError as error:
            note(error.message)
            failed = error.kind.exit_code
            continue
        print("\n".join(f"removed {session_id}" for session_id in removed), flush=True)
    return failed


def prune_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", type=count, metavar="N", help="keep the N that ended last; default: 0"
    )
    add_json(parser)


def prune(options: argparse.Namespace) -> int:
    removed = Client.of(options).post(with_query("/v1/prune", keep=options.keep))["removed"]
    if options.json:
        print(json_text(removed))
    elif removed:
        print("\n".join(f"removed {session_id}" for session_id in removed))
    else:
        note("nothing to remove")
    return 0
