"""`generate.py DIRECTORY`: writes the man pages to man1, man5 and man8 in that directory.

What the programs know themselves (commands, options, settings, exit codes) comes from their tables;
the rest is in the *.in files beside this one. Nothing is needed beyond Python's standard library.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

# Before an artac that is installed: the pages are of this source.
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import commands
import parsers
import roff
import tables

from artac_daemon import __version__
from artac_daemon.daemon.options import parser

_HERE = Path(__file__).resolve().parent
_EXIT_CODES = _HERE.parents[1] / "docs/exit-codes.md"
_PART = re.compile(r"(?m)^@([A-Z_]+)@$")


def _date() -> str:
    """The day that SOURCE_DATE_EPOCH names; none otherwise, so that a page is always the same."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%d", time.gmtime(int(epoch))) if epoch else ""


def _parts() -> dict[str, str]:
    return {
        "COMMANDS": commands.commands(),
        "BEFORE_COMMAND": commands.before_verb(),
        "EXAMPLES": commands.examples(),
        "EXIT_EXAMPLE": tables.exit_example(_EXIT_CODES),
        "ARTAC_EXIT_STATUS": tables.exit_status(_EXIT_CODES, "artac"),
        "CLAUDE_EXIT_STATUS": tables.exit_status(_EXIT_CODES, "artac-claude"),
        "ARTACD_EXIT_STATUS": tables.exit_status(_EXIT_CODES, "artacd"),
        "ARTACD_OPTIONS": "\n".join(parsers.options(parser())),
        "SETTINGS": tables.settings(),
        "VARIABLES": tables.variables(),
    }


def main(target: Path) -> None:
    parts = _parts()
    for template in sorted(_HERE.glob("*.in")):
        name = template.name.removesuffix(".in")
        title, section = name.rsplit(".", 1)
        # No hyphenation: names and paths would be broken at a hyphen that they do not have.
        head = (
            f'.TH {roff.escaped(title.upper())} {section} "{_date()}" "artac {__version__}" artac\n'
            ".nh\n.ad l"
        )
        body = _PART.sub(lambda found: parts[found[1]], template.read_text())
        path = target / f"man{section}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}\n{body}", encoding="ascii")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
