"""Two pictures of one screen compared: which lines stayed, which were rewritten, which have gone.

Output has no times and no marks of what a line is. What is known of a picture is its lines, so
this goes by which of them come again, and where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

# A rewritten line is sought where so few change at once; of a whole new page none is.
_FEW = 3
# What came back is recognised by so many lines in a row that say something.
_BLOCK = 3
# So many lines that vanished in one place are kept until it is their turn.
_MOST_ASIDE = 500


class Line:
    """A line on the screen; `aside` are the ones that vanished from just above it."""

    __slots__ = ("aside", "boxed", "drawn", "key", "told")

    def __init__(self, key: str, drawn: str, boxed: bool = False) -> None:
        self.key = key  # its text, without blanks at both ends
        self.drawn = drawn  # as it is to be told
        self.told = False
        self.boxed = boxed  # part of the input box, or below it
        self.aside: list[Line] = []


def says_something(text: str) -> bool:
    """Whether there is a letter or a digit in it; frames and rules have none."""
    return any(map(str.isalnum, text))


def advance(old: Sequence[Line], new: Sequence[Line], end: Line, told: Iterable[str]) -> list[Line]:
    """Take over from the old picture what the new one still shows; what left by the top.

    `end` stands for what is below the last row of both: what vanished there is aside of it.
    `told` are the keys of what was told before, oldest first: lines that come back from there, as
    when a reader scrolls up or a dialog closes, count as told.
    """
    first = _same(old, new)
    last = _same(old[first:][::-1], new[first:][::-1])
    for at in range(first):
        _keep(old[at], new[at])
    for at in range(1, last + 1):
        _keep(old[-at], new[-at])
    before, after = old[first : len(old) - last], new[first : len(new) - last]
    below = new[len(new) - last] if last else end
    if not before and not after:
        return []
    matcher = SequenceMatcher(None, _keys(before), _keys(after), False)
    blocks = [block for block in matcher.get_matching_blocks() if _is_firm(block, after)]
    for a, b, size in blocks:
        for at in range(size):
            _keep(before[a + at], after[b + at])
    left: list[Line] = []
    i = j = 0
    for number, (a, b, size) in enumerate([*blocks, (len(before), len(after), 0)]):
        gone, come = before[i:a], after[j:b]
        next_line = after[b] if b < len(after) else below
        if come and not _revive(come, [*new, end]):  # what vanished there did so before these came
            come[0].aside, next_line.aside = next_line.aside, []
        at_top = number == 0 and not any(says_something(line.key) for line in new[:first])
        if at_top:
            _recall(come, told)
        if at_top and (not blocks or a > b or len(gone) > _FEW):
            left += _without_blanks(gone)
        else:
            _replace(gone, come, next_line)
        i, j = a + size, b + size
    return left


def _keys(lines: Iterable[Line]) -> list[str]:
    return [line.key for line in lines]


def _same(old: Sequence[Line], new: Sequence[Line]) -> int:
    count = 0
    for was, now in zip(old, new, strict=False):
        if was.key != now.key:
            break
        count += 1
    return count


def _is_firm(block: tuple[int, int, int], after: Sequence[Line]) -> bool:
    """Blank lines and rules alone say nothing of where the text has gone."""
    _, b, size = block
    return any(says_something(line.key) for line in after[b : b + size])


def _keep(was: Line, now: Line) -> None:
    now.told = now.told or was.told
    now.aside = [*was.aside, *now.aside]


def _replace(gone: Sequence[Line], come: Sequence[Line], below: Line) -> None:
    """Lines that grew or were changed a little live on in what they became."""
    after = 0  # the first of the new lines that comes after those that live on
    for at, was in enumerate(gone):
        if not was.key and not was.aside:
            continue
        if at < len(come) and was.key and _becomes(was.key, come[at].key, len(gone) <= _FEW):
            come[at].aside = [*was.aside, *come[at].aside]
            after = at + 1
        else:
            place = come[after] if after < len(come) else below
            place.aside = [*place.aside, *_unfolded([was])][-_MOST_ASIDE:]


def _revive(come: Sequence[Line], hosts: Sequence[Line]) -> bool:
    """What vanished and is there again, as under a menu or after scrolling back, did not vanish.

    Whether it is a whole block that is there again.
    """
    vanished = {line.key: (host, line) for host in hosts for line in host.aside if line.key}
    back = [line for line in come if line.key in vanished]
    speaking = sum(says_something(line.key) for line in come)
    whole = len(back) >= min(_BLOCK, max(1, speaking))
    for line in back:
        host, was = vanished[line.key]
        host.aside = [aside for aside in host.aside if aside is not was]
        line.told = line.told or (was.told and whole)
    return whole


def _becomes(was: str, now: str, few: bool) -> bool:
    if now.startswith(was):
        return True
    if not few or not now:
        return False
    same = 0
    for one, other in zip(was, now, strict=False):
        if one != other:
            break
        same += 1
    tail = 0
    for one, other in zip(reversed(was[same:]), reversed(now[same:]), strict=False):
        if one != other:
            break
        tail += 1
    return 2 * (same + tail) >= max(len(was), len(now))


def _without_blanks(lines: Sequence[Line]) -> list[Line]:
    """Rows at the end that nothing was ever written to are no lines of a page."""
    end = len(lines)
    while end and not lines[end - 1].key and not lines[end - 1].aside:
        end -= 1
    return list(lines[:end])


def _unfolded(lines: Iterable[Line]) -> list[Line]:
    found = []
    for line in lines:
        found += [*line.aside, line]
        line.aside = []
    return found


def _recall(come: Sequence[Line], told: Iterable[str]) -> None:
    speaking = [line for line in come if line.key]
    if not any(says_something(line.key) for line in speaking):
        return
    matcher = SequenceMatcher(None, list(told), _keys(speaking), False)
    for _, b, size in matcher.get_matching_blocks():
        block = speaking[b : b + size]
        if sum(says_something(line.key) for line in block) >= min(_BLOCK, len(speaking)):
            for line in block:
                line.told = True
