"""Claude runs `python3 -I -S hook.py FILE` at an event of its own: it notes the event in FILE.

Claude waits for it, so it imports next to nothing: `json` alone would double what an empty
interpreter costs. It never prints and always exits with 0, as Claude would show a person the one
and take the other for a refusal.
"""

import os
import sys
import time
from _signal import SIGALRM, alarm, signal  # type: ignore[import-not-found]

try:
    from _json import encode_basestring_ascii as quote
    from _json import scanstring
except ImportError:  # an interpreter without its accelerators
    import json

    scanstring = json.decoder.scanstring  # type: ignore[attr-defined]
    quote = json.encoder.encode_basestring_ascii

# Seconds, with what follows: a disk or a Claude that hangs is no reason to hang with it.
_DEADLINE = 3
# What is looked at of an event, and how much more is read so that Claude can write all of it. A
# tool's answer can be of any size and comes after what is wanted here.
_LOOKED_AT = 64 * 1024
_DRAINED = 64 * 1024 * 1024

_NAMES = (
    "hook_event_name session_id transcript_path tool_name prompt_id permission_mode "
    "notification_type reason error source"
).split()
_MOST = 4096  # characters of a value: the longest path
_PROMPT_HEAD = 200
# A string that does not end: where json was not imported, its scanner has no error of its own.
_CUT = (ValueError, SystemError)
_ESCAPED = 12  # one character outside the first plane is \udddd\udddd


def fields(text: str) -> dict[str, str]:
    """The wanted members of a JSON object as JSON, as far as the text goes: it may be cut."""
    found: dict[str, str] = {}
    at = text.find("{") + 1
    while at > 0:
        at = text.find('"', at)
        if at < 0:
            break
        try:
            name, at = scanstring(text, at + 1, False)
            at = _past(text, _past(text, at, " \t\r\n"), ":")
            at = _past(text, at, " \t\r\n")
            if text[at : at + 1] != '"':
                at = _skip(text, at)
                continue
            start = at + 1
            try:
                value, at = scanstring(text, start, False)
            except _CUT:
                if name == "prompt":
                    found["prompt_head"] = quote(_head(text, start))
                break
        except _CUT:
            break
        if name in _NAMES:
            found[name] = quote(value[:_MOST])
        elif name == "prompt":
            found["prompt_length"] = str(len(value))
            found["prompt_head"] = quote(value[:_PROMPT_HEAD])
    return found


def _past(text: str, at: int, characters: str) -> int:
    while text[at : at + 1] and text[at] in characters:
        at += 1
    return at


def _skip(text: str, at: int) -> int:
    """Behind a value that is no string; -1 where the text ends before it does."""
    depth = 0
    while at < len(text):
        character = text[at]
        if character == '"':
            at = scanstring(text, at + 1, False)[1]
            continue
        if character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
        if depth < 0 or (depth == 0 and character in ",}]"):
            return at + (character == ",")
        at += 1
    return -1


def _head(text: str, start: int) -> str:
    """The first characters of a string whose end was cut off, wherever in an escape that was."""
    end = min(len(text), start + _ESCAPED * _PROMPT_HEAD)
    for less in range(_ESCAPED):
        try:
            head = scanstring(text[start : end - less] + '"', 0, False)[0][:_PROMPT_HEAD]
        except _CUT:
            continue
        return head[:-1] if "\ud800" <= head[-1:] <= "\udbff" else head  # half a character
    return ""


def _read() -> str:
    data = b""
    left = _DRAINED
    while left > 0:
        piece = os.read(0, 65536)
        if not piece:
            break
        left -= len(piece)
        data += piece[: _LOOKED_AT - len(data)]
    return data.decode("utf-8", "replace")


def note(path: str) -> None:
    """One line by one write: hooks run side by side. Without its file there is nobody to tell."""
    at = time.time()
    found = {"at": repr(at), **fields(_read())}
    line = "{" + ",".join(f"{quote(name)}:{value}" for name, value in found.items()) + "}\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    os.write(os.open(path, flags), line.encode())


if __name__ == "__main__":
    try:
        signal(SIGALRM, lambda *_: os._exit(0))
        alarm(_DEADLINE)
        note(sys.argv[1])
    finally:
        os._exit(0)
