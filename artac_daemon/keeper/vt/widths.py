"""How many columns a character takes."""

from __future__ import annotations

import unicodedata

# What is known to take one column each, as a class of a regular expression. No more than Latin 1: a
# class with more takes a hundred kilobytes to be compiled, in every keeper.
NARROW = " -~\u00a0-\u00ac\u00ae-\u00ff"
# What was found to; box drawing and the like come again and again.
_MOST_FOUND = 512
_found: set[str] = set()

_JOINED = ("Mn", "Me", "Cf")
_UNSEEN = ("Cc", "Zl", "Zp", "Cs")


def width(character: str) -> int:
    """2, 1, 0 for what joins the cell before it, or -1 for what is never shown."""
    category = unicodedata.category(character)
    # The soft hyphen is shown; vowels and finals of old Hangul stand in the syllable before them.
    if "\u1160" <= character <= "\u11ff" or (category in _JOINED and character != "\u00ad"):
        return 0
    if category in _UNSEEN:
        return -1
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    # Pictures of a later Unicode than this Python's.
    return 2 if category == "Cn" and "\U0001f6d0" <= character <= "\U0001faff" else 1


def narrow(text: str) -> bool:
    """Whether each character takes one column."""
    if _found.issuperset(text):
        return True
    distinct = set(text)
    if any(width(character) != 1 for character in distinct):
        return False
    if len(_found) + len(distinct) > _MOST_FOUND:
        _found.clear()
    if len(distinct) <= _MOST_FOUND:
        _found.update(distinct)
    return True
