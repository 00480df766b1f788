"""ps: the processes of sessions, what sessions have left, and Claude processes of others."""

from __future__ import annotations

import argparse
import time

from .client import QUICK, Client, with_query
from .options import add_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ROLE_WIDTH = 20
_LEAST_COMMAND = 8


def ps_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION")
    parser.add_argument(
        "--no-foreign", action="store_true", help="leave out Claude processes that are not artac's"
    )
    parser.add_argument(
        "--pss",
        action="store_true",
        help="memory as PSS, shared pages in part; takes longer; always so for one session",
    )
    add_json(parser)


def ps(options: argparse.Namespace) -> int:
    proportional = options.pss or options.session is not None
    target = with_query(
        "/v1/processes",
        session=options.session,
        foreign=0 if options.no_foreign else None,
        pss=1 if proportional else None,
    )
    call = Client.of(options).begin("GET", target, seconds=QUICK)
    # Imported while the daemon is at work on its answer: together they take half the time.
    from . import rendering

    found = call.answer()
    if options.json:
        print(rendering.json_text(found))
    else:
        print("\n".join(_lines(found, proportional, time.time(), rendering.terminal_width())))
    return 0


def _lines(found: dict[str, Any], proportional: bool, now: float, columns: int | None) -> list[str]:
    from . import rendering
    from .escapes import harmless

    memory = "pss_bytes" if proportional else "rss_bytes"
    heads = ("PID", "ROLE", memory[:3].upper(), "CPU", "AGE", "COMMAND")

    def cells(process: dict[str, Any]) -> tuple[str, ...]:
        role = process["role"]
        if process.get("own") is False:
            role += f" ({harmless(process['account'])})"
        return (
            str(process["pid"]),
            role if columns is None else rendering.cut(role, _ROLE_WIDTH),
            rendering.size(process[memory]),
            _cpu(process["cpu_seconds"]),
            rendering.age(now - process["started_at"]),
            "  " * process["depth"] + harmless(process["command"]),
        )

    parts = [(_head(session), session["processes"]) for session in found["sessions"]]
    parts += [
        (title, found[key])
        for key, title in (
            ("orphans", "orphans: left by sessions that are no more"),
            ("foreign", "foreign: Claude processes that are not artac's"),
        )
        if found[key]
    ]
    tables = [(title, list(map(cells, processes))) for title, processes in parts]
    every = [heads, *(row for _, rows in tables for row in rows)]
    widths = [max(map(rendering.width, column)) for column in zip(*every, strict=True)][:-1]
    room = None
    if columns is not None:
        room = max(_LEAST_COMMAND, columns - sum(widths) - 2 * len(widths))

    def line(row: tuple[str, ...]) -> str:
        number, role, *counts = row[:-1]
        last = row[-1] if room is None else rendering.cut(row[-1], room)
        told = [number.rjust(widths[0]), role + " " * (widths[1] - rendering.width(role))]
        told += [count.rjust(width) for count, width in zip(counts, widths[2:], strict=True)]
        return "  ".join((*told, last)).rstrip()

    lines = [line(heads)]
    for title, rows in tables:
        lines.append(title if columns is None else rendering.cut(title, columns))
        lines += map(line, rows)
    return lines


def _head(session: dict[str, Any]) -> str:
    from . import rendering
    from .escapes import harmless

    name = "" if session["name"] == session["id"] else f" ({harmless(session['name'])})"
    memory = rendering.size(session["memory_bytes"])
    return (
        f"session {session['id']}{name}: {session['state']}, {session['placement']}, "
        f"memory {memory}, CPU {_cpu(session['cpu_seconds'])}"
    )


def _cpu(seconds: float) -> str:
    from . import rendering

    return f"{seconds:.1f}s" if seconds < 600 else rendering.age(seconds)
