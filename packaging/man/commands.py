"""artac's own help as parts of its page: the verbs by group, the options before them, examples."""

from __future__ import annotations

import re

import parsers
import roff

from artac_daemon.cli.main import HELP, VERBS, parser_of

# Every verb has these; the page says so once.
COMMON = frozenset({"-h", "--help", "--socket"})
_VERB = re.compile(r"  ([a-z-]+) +\{\1\}")
_ROW = re.compile(r"  (\S.*?) {2,}(\S.*)")


def commands() -> str:
    """Each verb with its options, grouped as in the help; what the help leaves out comes last."""
    parts = []
    listed: list[str] = []
    for line in HELP.splitlines():
        if found := _VERB.match(line):
            listed.append(found[1])
            parts.append(_verb(found[1]))
        elif line and not line.startswith(" "):
            parts.append(f".SS {roff.escaped(line)}")
    parts = [part for at, part in enumerate(parts) if not _is_empty(parts, at)]
    hidden = [verb for verb in VERBS if verb not in listed]
    if hidden:
        parts += [".SS for the units", *map(_verb, hidden)]
    return "\n".join(parts)


def before_verb() -> str:
    """The options that come before the command."""
    return "\n".join(
        roff.item(roff.bold(name), roff.prose(what)) for name, what in _rows("options")
    )


def examples() -> str:
    """The help's examples."""
    found = next(
        block
        for block in HELP.split("\n\n")
        if block and all(line.startswith("  ") for line in block.splitlines())
    )
    return roff.verbatim(line.strip() for line in found.splitlines())


def _rows(heading: str) -> list[tuple[str, str]]:
    block = HELP.split(f"\n{heading}\n", 1)[1].split("\n\n")[0]
    rows = [_ROW.fullmatch(line) for line in block.splitlines()]
    return [(row[1], row[2]) for row in rows if row]


def _is_empty(parts: list[str], at: int) -> bool:
    """Whether that is a heading with nothing below it."""
    below = parts[at + 1 : at + 2]
    return parts[at].startswith(".SS") and (not below or below[0].startswith(".SS"))


def _verb(verb: str) -> str:
    parser = parser_of(verb)
    tag = f"{roff.bold(verb)} {parsers.synopsis(parser, parser.takes_rest)}"
    lines = [roff.item(tag, roff.prose(parser.description or ""))]
    below = parsers.options(parser, COMMON)
    if below:
        lines.append(roff.nested(*below))
    for part in parsers.epilog(parser.epilog):
        lines += [part] if part.startswith(".RS") else [".IP", part]
    return "\n".join(lines)
