"""why: how a session ended, or what it is doing, and what speaks for it."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from . import follow, rendering
from .client import Client, session_path, with_query
from .escapes import Stripper, harmless
from .options import add_json, count

_LINES = 10
_MOST_LINES = 1000
_USUAL_WIDTH, _WIDEST = 80, 100


def why_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The verdict comes first, then what it follows from, the most telling first. What only\n"
        "may be so is marked: perhaps. The journal is read with your own rights."
    )
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument(
        "-n",
        "--lines",
        type=count,
        default=_LINES,
        metavar="N",
        help=f"the last N lines of output, stderr and journal each; default {_LINES}",
    )
    add_json(parser)


def why(options: argparse.Namespace) -> int:
    client = Client.of(options)
    wanted = min(options.lines, _MOST_LINES)
    found = client.get(with_query(session_path(options.session, "why"), lines=wanted))
    if options.json:
        print(rendering.json_text(found))
        return 0
    session = found["session"]
    print("\n".join(_verdict(found)))
    if wanted:
        print("\n".join(_section("last output", _output(client, session, wanted))))
        print("\n".join(_section("standard error", _plain(found["last_stderr"]))))
        print("\n".join(_section("journal", _journal(client, session["id"], wanted))), flush=True)
    return 0


def _verdict(found: dict[str, Any]) -> list[str]:
    session, verdict = found["session"], found["verdict"]
    columns = min(rendering.terminal_width() or _USUAL_WIDTH, _WIDEST)
    told = rendering.ending(verdict) if verdict["reason"] else harmless(verdict["sentence"])
    name = (
        session["id"]
        if session["name"] == session["id"]
        else f"{session['id']} ({session['name']})"
    )
    rows = [("session", name), *((item["what"], item["said"]) for item in found["evidence"])]
    return [*textwrap.wrap(told, columns), "", *_fields(rows, columns)]


def _fields(rows: Sequence[tuple[str, str]], columns: int) -> list[str]:
    """As `rendering.fields` has them, with long values on several lines."""
    longest = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, value in rows:
        lines += textwrap.wrap(
            harmless(value),
            max(columns, longest + 20),
            initial_indent=f"{harmless(name) + ':':<{longest}}",
            subsequent_indent=" " * longest,
            break_on_hyphens=False,
        )
    return lines


def _section(title: str, lines: Iterable[str]) -> list[str]:
    shown = [f"  {line}" for line in lines]
    return ["", f"{title}:", *(shown or ["  (nothing)"])]


def _output(client: Client, session: dict[str, Any], wanted: int) -> list[str]:
    from .logs import is_text, last_lines, tells_events

    if session["kind"] == "adopted":
        return []  # it goes where it always went
    if tells_events(session):
        from .transcript import Transcript

        transcript = Transcript(rendering.colours())
        return list(last_lines(client, session, transcript, wanted)[1])
    if is_text(session):
        _, last = follow.tail(client, session["id"], "output", wanted)
        return _plain(last.decode("utf-8", "replace").splitlines())
    from . import terminal_logs

    return terminal_logs.last_lines(client, session, wanted, rendering.colours(), tell=False)


def _plain(lines: list[str]) -> list[str]:
    stripper = Stripper()
    text = stripper.feed("".join(f"{line}\n" for line in lines).encode(), final=True)
    return [harmless(line) for line in text.splitlines()]


def _journal(client: Client, session_id: str, wanted: int) -> list[str]:
    from .journal import entries

    return entries(str(client.get("/v1/health")["account"]), session_id, wanted)
