"""argparse's parsers as parts of a page: what `--help` says, laid out for man."""

from __future__ import annotations

import argparse
import re

import roff

_COLUMNS = re.compile(r" {2,}")


def options(parser: argparse.ArgumentParser, without: frozenset[str] = frozenset()) -> list[str]:
    """An item for each argument with a help, and for each option but those."""
    items = []
    for action in _shown(parser):
        if action.option_strings:
            if without.isdisjoint(action.option_strings):
                items.append(roff.item(_option(action), roff.prose(_help(action))))
        elif action.help:
            items.append(roff.item(_value(action), roff.prose(_help(action))))
    return items


def synopsis(parser: argparse.ArgumentParser, rest: bool) -> str:
    """The words that follow the command; `rest` where words after -- are for another program."""
    words = [rf"[{roff.italic('OPTION')}\~.\|.\|.\|]"]
    words += [_argument(action) for action in _shown(parser) if not action.option_strings]
    if rest:
        words.append(rf"[\fB\-\-\fP {roff.italic('ARGUMENT')}\~.\|.\|.\|]")
    return " ".join(words)


def epilog(text: str | None) -> list[str]:
    """What stands below a help: paragraphs, and lists where lines are indented."""
    parts = []
    for block in (text or "").strip("\n").split("\n\n"):
        lines = block.splitlines()
        if said := [line for line in lines if not line.startswith(" ")]:
            parts.append(roff.prose(" ".join(said)))
        rows = [line.strip() for line in lines if line.startswith(" ")]
        cells = [_COLUMNS.split(row) for row in rows]
        if rows and all(len(row) > 1 for row in cells):
            listed = [roff.item(roff.bold(row[0]), roff.prose(": ".join(row[1:]))) for row in cells]
            parts.append(roff.nested(*listed))
        elif rows:
            parts.append(roff.verbatim(rows))
    return parts


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _help(action: argparse.Action) -> str:
    said = (action.help or "") % vars(action)
    if action.choices is not None:
        said += f" ({', '.join(map(str, action.choices))})"
    return said


def _option(action: argparse.Action) -> str:
    names = ", ".join(map(roff.bold, action.option_strings))
    return names if action.nargs == 0 else f"{names} {_argument(action)}"


def _argument(action: argparse.Action) -> str:
    value = _value(action)
    more = rf"{value}\~.\|.\|.\|"
    return {"?": f"[{value}]", "*": f"[{more}]", "+": more}.get(str(action.nargs), value)


def _value(action: argparse.Action) -> str:
    name = action.metavar or action.dest.upper()
    assert isinstance(name, str), "a metavar of several words is not known here"
    return "|".join(map(roff.bold, name.split("|"))) if "|" in name else roff.italic(name)
