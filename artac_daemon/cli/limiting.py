"""limit: what a session may use, shown and changed."""

from __future__ import annotations

import argparse
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .client import Client, session_path
from .options import add_json, usage

_EPILOG = """\
limits, with systemd's names in the middle:
  memory           MemoryMax      the kernel kills a process of the session beyond it
  memory_high      MemoryHigh     slowed down and made to give back beyond it
  swap             MemorySwapMax  swap space it may fill
  tasks            TasksMax       processes and threads
  cpu              CPUQuota       CPU time in each second, 100% being one CPU
  cpu_weight       CPUWeight      share of busy CPUs among sessions; 100 is usual
  runtime          RuntimeMaxSec  it is ended after so long
  idle                            it is ended after doing nothing for so long

  artac limit api                          shows them
  artac limit api memory=3G tasks=500      changes them, at once
"""


def limit_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("limits", nargs="*", metavar="NAME=VALUE", help="value or infinity")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also below what is in use: its largest processes are killed for it",
    )
    add_json(parser)


def limit(options: argparse.Namespace) -> int:
    client = Client.of(options)
    changes = assignments("limit", options.limits)
    if changes:
        body = {"limits": changes, "force": options.force}
        session = client.post(session_path(options.session, "limits"), body)["session"]
    else:
        if options.force:
            raise usage("limit", "--force needs a limit to change")
        session = client.get(session_path(options.session))["session"]
    if session["limits"] is None:
        raise ArtacError(
            ErrorKind.NOT_FOUND, f"nothing is recorded of the limits of {session['id']}"
        )
    if options.json:
        from .rendering import json_text

        print(json_text(session["limits"]))
    else:
        print("\n".join(_lines(session["limits"])))
    return 0


def assignments(verb: str, words: list[str]) -> dict[str, str]:
    """The limits in NAME=VALUE words; what names and values there are, the daemon knows."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise usage(verb, f"{word!r} is no NAME=VALUE such as memory=3G")
        if name in found:
            raise usage(verb, f"the limit {name} is given twice")
        found[name] = value
    return found


def _lines(limits: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in limits["values"].items():
        notes = []
        if key in limits["asked"]:
            notes.append("asked for")
        if key in limits["without_effect"] and value != "infinity":
            notes.append("without effect: no cgroup controller for it here")
        lines.append(f"{key:<16} {value:<10} {', '.join(notes)}".rstrip())
    return lines
