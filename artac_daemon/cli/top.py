"""top: what every session uses, as it changes."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from . import rendering, top_table
from .client import QUICK, Client, ConnectionLost, NoDaemon
from .options import Parser, count, duration, usage

_TARGET = "/v1/usage"
_SHORTEST, _LONGEST = 0.2, 60.0
# Percentages need two samples; the first two are this far apart.
_FIRST_PAUSE = 0.5


def top_options(parser: Parser) -> None:
    parser.epilog = (
        "CPU% is of one CPU. PMEM, PCPU and PIO: percent of the last 10 s in which something in\n"
        "the session waited for memory, a CPU or IO. h shows the keys. -b, -n and --json print\n"
        "instead of showing a live table, and work without a terminal."
    )
    parser.add_argument(
        "-d",
        "--delay",
        type=duration,
        default=2.0,
        metavar="TIME",
        help="between two samples; default: 2s",
    )
    parser.add_argument(
        "-s",
        "--sort",
        default="cpu",
        metavar="KEY",
        help=f"by {', '.join(top_table.SORTS)}; default: cpu",
    )
    parser.add_argument("-r", "--reverse", action="store_true", help="in reverse order")
    parser.add_argument(
        "-b", "--batch", action="store_true", help="print the table, again and again"
    )
    parser.add_argument(
        "-n", "--iterations", type=count, metavar="N", help="print it N times and end"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each sample")


def top(options: argparse.Namespace) -> int:
    if not _SHORTEST <= options.delay <= _LONGEST:
        raise usage("top", f"--delay may be from {_SHORTEST:g}s to {_LONGEST:g}s")
    if options.sort not in top_table.SORTS:
        raise usage("top", f"--sort may be {', '.join(top_table.SORTS)}, not {options.sort!r}")
    if options.iterations == 0:
        raise usage("top", "--iterations must be 1 or more")
    client = Client.of(options)
    if options.batch or options.json or options.iterations is not None:
        return _print(client, options)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ArtacError(
            ErrorKind.USAGE, "top: this is no terminal; `artac top -n 1` prints the table once"
        )
    from . import top_screen

    # Asked before the screen is taken: a daemon that is not there is told like by any command.
    first = client.get(_TARGET)
    return top_screen.run(client, _TARGET, first, options)


def _print(client: Client, options: argparse.Namespace) -> int:
    before = _sample(client)
    time.sleep(min(_FIRST_PAUSE, options.delay))
    done = 0
    while True:
        found = _sample(client)
        sample = top_table.with_percents(found, before)
        before = found
        if options.json:
            print(json.dumps(sample), flush=True)
        else:
            print("\n".join(_lines(sample, options)), flush=True)
        done += 1
        if done == options.iterations:
            return 0
        time.sleep(options.delay)
        if not options.json:
            print()


def _sample(client: Client) -> dict[str, Any]:
    try:
        return client.get(_TARGET, QUICK)
    except (ConnectionLost, NoDaemon) as lost:
        if isinstance(lost, NoDaemon) and not client.met:
            raise
        client.outlast(lost)
        return client.get(_TARGET, QUICK)


def _lines(sample: dict[str, Any], options: argparse.Namespace) -> list[str]:
    columns = rendering.terminal_width()
    rows = top_table.ordered(sample["sessions"], options.sort, options.reverse)
    plan = top_table.layout(rows, columns)
    now = time.time()
    paint = rendering.colours()
    lines = []
    for row in rows:
        before, state, rest = plan.line(row, now)
        if paint:
            state = rendering.painted(state, rendering.state_colour(row["state"]))
        lines.append(f"{before}{state}{rest}".rstrip())
    return [*top_table.header(sample, columns), "", plan.head().rstrip(), *lines]
