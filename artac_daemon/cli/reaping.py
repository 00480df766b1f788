"""reap: ending processes that sessions have left, and others that are named."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from . import rendering
from .client import Client, note
from .escapes import harmless
from .options import add_json, count, usage


def reap_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "session", nargs="?", metavar="SESSION", help="a session with all that it started"
    )
    parser.add_argument(
        "--orphans", action="store_true", help="what sessions that are no more have left"
    )
    parser.add_argument("--all", action="store_true", help="every session, and all orphans")
    parser.add_argument(
        "--foreign",
        action="append",
        type=count,
        metavar="PID",
        help="a Claude process that is not artac's, and what is below it; may be repeated",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show it, and end nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_json(parser)


def reap(options: argparse.Namespace) -> int:
    wanted = _wanted(options)
    if not (options.dry_run or options.yes or sys.stdin.isatty()):
        raise ArtacError(
            ErrorKind.USAGE, "reap asks first, and there is no terminal: add --yes or --dry-run"
        )
    if options.json and not (options.dry_run or options.yes):
        raise usage("reap", "--json does not ask: add --yes or --dry-run")
    client = Client.of(options)
    planned = client.post("/v1/reap", {**wanted, "dry_run": True})["processes"]
    due = [process for process in planned if process["outcome"] is None]
    if options.dry_run:
        _show(planned, options.json)
        return 0
    if not options.json:
        _show(planned, False)
    if due and not options.yes:
        _ask(len(due))
    done = []
    if due:
        confirmed = [{key: process[key] for key in ("pid", "start_time")} for process in due]
        done = client.post("/v1/reap", {**wanted, "confirmed": confirmed})["processes"]
    return _tell(done, options.json)


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    choices: dict[str, Any] = {
        "session": options.session,
        "orphans": options.orphans,
        "all": options.all,
        "foreign": list(dict.fromkeys(options.foreign or [])),
    }
    chosen = {key: value for key, value in choices.items() if value}
    if len(chosen) != 1:
        raise usage("reap", "give one of SESSION, --orphans, --all and --foreign PID")
    return chosen


def _show(planned: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(rendering.json_text(planned))
        return
    if not planned:
        note("nothing to reap")
    columns = rendering.terminal_width()
    why = None
    for process in planned:
        if process["why"] != why:
            why = process["why"]
            print(harmless(why))
        refused = f"  (not ended: {process['detail']})" if process["outcome"] else ""
        line = f"{process['pid']:>9}  {harmless(process['command'] + refused)}"
        print(line if columns is None else rendering.cut(line, columns))
    sys.stdout.flush()


def _ask(number: int) -> None:
    what = "this process" if number == 1 else f"these {number} processes"
    print(f"end {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ArtacError(ErrorKind.FAILED, "nothing was ended")


def _tell(done: list[dict[str, Any]], as_json: bool) -> int:
    if as_json:
        print(rendering.json_text(done))
    refused = [process for process in done if process["outcome"] == "refused"]
    for process in refused:
        note(f"process {process['pid']} was not ended: {process['detail']}")
    ended = sum(process["outcome"] == "ended" for process in done)
    if done and not as_json:
        gone = len(done) - ended - len(refused)
        print(f"ended {ended}" + (f", {gone} had ended already" if gone else ""), flush=True)
    return ErrorKind.FAILED.exit_code if refused else 0
