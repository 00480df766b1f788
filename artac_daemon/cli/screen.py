"""screen: what a terminal session shows."""

from __future__ import annotations

import argparse
import sys

from .client import Client, session_path
from .escapes import harmless_text
from .options import add_json
from .rendering import json_text


def screen_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Its rows as text, without the empty ones at the end; for scripts. An ended session shows\n"
        "what it showed last. The place of the cursor and the title are in --json."
    )
    parser.add_argument("session", metavar="SESSION")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--ansi", action="store_true", help="with colours, as escape sequences")
    add_json(form)


def screen(options: argparse.Namespace) -> int:
    shown = Client.of(options).get(session_path(options.session, "screen"))["screen"]
    if options.json:
        print(json_text(shown))
        return 0
    rows = list(shown["ansi" if options.ansi else "text"])
    while rows and not shown["text"][len(rows) - 1]:
        rows.pop()
    text = "".join(f"{row}\n" for row in rows)
    if sys.stdout.isatty() and not options.ansi:
        text = harmless_text(text)
    sys.stdout.write(text)
    return 0
