"""`python3 -m benchmarks`: boots a machine, takes the figures, prints a row for each."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from tests.support.machine import unavailable_reason
from tests.support.nspawn import BootFailure
from tests.support.tree import SUITES

from . import report
from .figures import FIGURES
from .stand import stand

_CANNOT = (RuntimeError, OSError, subprocess.SubprocessError, BootFailure, ValueError, KeyError)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all asked for was measured; 1 when not, or with --strict when a bound is not kept."""
    options = _parser().parse_args(argv)
    if reason := unavailable_reason():
        print(f"nothing is measured here: {reason}", file=sys.stderr)
        return 1
    chosen = [figure for figure in FIGURES if figure.name in (options.only or [figure.name])]
    table = report.Table(options.suite, as_json=options.json)
    try:
        with stand(options.suite) as place:
            for figure in chosen:
                try:
                    place.sessions(figure.sessions)
                    table.add(figure, figure.measure(place))
                except _CANNOT as problem:
                    table.fail(figure, problem)
    except _CANNOT as problem:
        print(f"the machine to measure in could not be had: {problem}", file=sys.stderr)
        return 1
    table.finish()
    return 1 if table.failed or (options.strict and table.over) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=main.__doc__)
    names = [figure.name for figure in FIGURES]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--suite", choices=list(SUITES), default="bookworm", help="of Debian")
    parser.add_argument("--json", action="store_true", help="every single value, as JSON")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bound is not kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
