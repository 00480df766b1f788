"""Reads a .env file into names, values and lines."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

from dotenv.parser import parse_stream

from ..model.setting_kinds import VARIABLE_NAME
from ..model.setting_layers import config_error

_NEWLINE = re.compile(r"\r\n|\n|\r")


class Variable(NamedTuple):
    """One assignment; `line` counts from 1. Its value may be secret."""

    name: str
    value: str
    line: int

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, line {self.line})"


def parse_dotenv(place: str, text: str) -> list[Variable]:
    """Return the assignments of `text` in their order; `$NAME` in a value is not expanded.

    `place` is the file's name for messages. Raises ArtacError(CONFIG), whose message never
    quotes a line: what could not be read may be a key.
    """
    variables: dict[str, Variable] = {}
    for binding in parse_stream(io.StringIO(text, newline="")):
        source = binding.original.string
        # The parser counts blank lines before an assignment as part of it.
        blank = source[: len(source) - len(source.lstrip())]
        line = binding.original.line + len(_NEWLINE.findall(blank))
        here = f"{place}:{line}"
        if binding.key is None and not binding.error:
            continue
        name, value = binding.key, binding.value
        if name is None or value is None or not VARIABLE_NAME.fullmatch(name):
            raise config_error(here, "cannot be read; allowed: NAME=value, or a comment after #")
        if "\0" in value:
            raise config_error(here, f"{name}: found a NUL character, which no variable can hold")
        if name in variables:
            first = variables[name].line
            raise config_error(here, f"duplicate name {name}; first on line {first}")
        variables[name] = Variable(name, value, line)
    return list(variables.values())
