"""Text as man(7) source: escaped, filled, in the few macros that the pages need."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

# groff would print typographic signs for some of these, which no shell understands when copied.
_SIGNS = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
_MARKUP = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]+\)")


def escaped(text: str) -> str:
    """The text with nothing in it that roff would take for more than text."""
    return "".join(
        _SIGNS.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text
    )


def bold(text: str) -> str:
    return rf"\fB{escaped(text)}\fP"


def italic(text: str) -> str:
    return rf"\fI{escaped(text)}\fP"


def prose(text: str) -> str:
    """One paragraph, filled; `code` in bold, and of [text](link) the text."""
    done, parts = 0, []
    for found in _MARKUP.finditer(text):
        code, label = found.groups()
        parts += [escaped(text[done : found.start()]), bold(code) if code else escaped(label)]
        done = found.end()
    filled = "".join([*parts, escaped(text[done:])])
    lines = textwrap.wrap(filled, 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_safe(line) for line in lines)


def item(tag: str, *paragraphs: str) -> str:
    """An entry of a list; `tag` and the paragraphs are roff already."""
    return "\n".join([".TP", tag, *_apart(paragraphs)])


def nested(*parts: str) -> str:
    """What stands below an item, further in."""
    return "\n".join([".RS", *parts, ".RE"])


def verbatim(lines: Iterable[str]) -> str:
    return "\n".join([".EX", *(_safe(escaped(line)) for line in lines), ".EE"])


def _apart(paragraphs: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for paragraph in filter(None, paragraphs):
        lines += [".IP", paragraph] if lines else [paragraph]
    return lines


def _safe(line: str) -> str:
    return rf"\&{line}" if line.startswith(".") else line
