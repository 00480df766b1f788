"""Where Claude keeps a conversation, and who has it: its transcript, its registry, its arguments.

Seen with the CLI 2.1.330 and 2.1.197. A transcript is CONFIG/projects/DIRECTORY/ID.jsonl, the
directory with "-" for all that is no letter and no digit. It is there once the first message was
taken up; `--resume` wants it and the same directory, `--session-id` that there is none.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import home

# Longer names Claude cuts there and adds a hash of its own.
_LONGEST_NAME = 200
_MAX_ENTRY = 64 * 1024
# What reading a file can come to that holds anything at all.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
_TAKES = ("--resume", "-r", "--session-id")


@dataclass(frozen=True)
class Transcript:
    """`path` is where it is, or would be; `elsewhere` where it is of another directory."""

    path: str
    there: bool
    elsewhere: str = ""


@dataclass(frozen=True)
class Registered:
    """A process that says it has a conversation. It may be gone: its file stays after a kill."""

    pid: int
    start_time: int


def config_directory(environ: Mapping[str, str], cwd: str) -> str:
    """Where a Claude with that environment, there, keeps everything; "" where it has no home."""
    seen = home.seen_from(environ, cwd)
    if not seen.get("CLAUDE_CONFIG_DIR") and not home.directory(seen):
        return ""
    return home.settings_directory(seen)


def lock_directory(config: str) -> str:
    """Where artac's locks of conversations are."""
    return os.path.join(config, "artac")


def lock_path(config: str, conversation: str) -> str:
    """The lock of one conversation."""
    return os.path.join(lock_directory(config), f"{conversation}.lock")


def transcript(config: str, cwd: str, conversation: str) -> Transcript:
    """The transcript of a conversation that was held in that directory (a real path)."""
    projects = os.path.join(config, "projects")
    name = re.sub(r"[^A-Za-z0-9]", "-", cwd)
    file = f"{conversation}.jsonl"
    path = os.path.join(projects, name, file)
    if os.path.isfile(path):
        return Transcript(path, True)
    try:
        others = sorted(os.listdir(projects))
    except OSError:
        others = []
    for other in others:
        found = os.path.join(projects, other, file)
        if os.path.isfile(found):
            cut = len(name) > _LONGEST_NAME and other.startswith(name[:_LONGEST_NAME])
            return Transcript(found, True) if cut else Transcript(path, False, found)
    return Transcript(path, False)


def registered(config: str, conversation: str) -> list[Registered]:
    """The processes that are noted in Claude's registry as having that conversation."""
    directory = os.path.join(config, "sessions")
    found = []
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    for name in names:
        if name.endswith(".json") and (entry := _entry(os.path.join(directory, name))) is not None:
            holder, whose = entry
            if whose == conversation:
                found.append(holder)
    return found


def _entry(path: str) -> tuple[Registered, str] | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        raw = json.loads(os.read(fd, _MAX_ENTRY))
        return Registered(int(raw["pid"]), int(raw.get("procStart") or -1)), str(raw["sessionId"])
    except _DAMAGE:
        return None
    finally:
        os.close(fd)


def takes(words: Sequence[str], conversation: str) -> bool:
    """Whether a command line takes a conversation up. One that forks it writes another."""
    if "--fork-session" in words:
        return False
    return any((option in _TAKES and value == conversation) for option, value in _options(words))


def _options(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    for word, after in zip(words, (*words[1:], ""), strict=False):
        option, equals, value = word.partition("=")
        yield (option, value) if equals else (word, after)
