"""The journal of a container machine, read as entries and followed as it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

Entry = dict[str, str]

READ = ("journalctl", "--quiet", "--no-pager", "--all", "--output=json")


def entries(output: bytes) -> list[Entry]:
    return [_entry(line) for line in output.splitlines() if line]


def _entry(line: bytes) -> Entry:
    return {name: _text(value) for name, value in json.loads(line).items()}


def _text(value: object) -> str:
    # journalctl gives what is not plain text as numbers, and a repeated field as a list.
    if isinstance(value, list):
        if all(isinstance(item, int) for item in value):
            return bytes(value).decode(errors="replace")
        return "\n".join(_text(item) for item in value)
    return "" if value is None else str(value)


def _fits(entry: Entry, matches: Sequence[str]) -> bool:
    pairs = (match.partition("=")[::2] for match in matches)
    return all(entry.get(name) == value for name, value in pairs)


def wait_for(
    read: Callable[[], list[Entry]],
    matches: Sequence[str],
    contains: str,
    after: int,
    timeout: float,
) -> Entry:
    """Read until there is such an entry.

    Not `journalctl --follow`: that of systemd 252 now and then is not told of the last entry
    until there is another, and with a match it never shows a value which was not in the journal
    when it began.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for entry in read():
            recent = int(entry["__REALTIME_TIMESTAMP"]) > after
            if recent and _fits(entry, matches) and contains in entry.get("MESSAGE", ""):
                return entry
        time.sleep(0.05)
    wanted = " ".join((*matches, f"containing {contains!r}" if contains else ""))
    raise TimeoutError(f"no such line in the journal after {timeout:.0f} s: {wanted}")
