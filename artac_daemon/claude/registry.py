"""The file in which a Claude on a terminal keeps what it is doing: CONFIG/sessions/PID.json.

It is no documented interface, and it is the only one that tells of everything. Measured with the
CLI 2.1.330 and 2.1.197, which do the same; the time of a status is of its writing:

| what happens            | hooks, in order                          | the registry's status       |
| ----------------------- | ---------------------------------------- | --------------------------- |
| start                   | SessionStart                             | no file, none, idle         |
| first dialogs before it | none                                     | no file                     |
| a prompt                | UserPromptSubmit                         | busy, up to 0.1 s later     |
| a permission dialog     | PermissionRequest                        | waiting, 0.03 s around it   |
| - approved              | PostToolUse[Failure] when it has ended   | busy at once                |
| - refused, or Esc       | none                                     | idle at once                |
| the answer              | Stop                                     | idle, up to 0.15 s later    |
| an error of the API     | StopFailure                              | idle, at the same time      |
| Esc in a turn           | none                                     | idle at once                |
| a message is queued     | UserPromptSubmit; 2.1.197: with its turn | (busy)                      |
| - its turn              | (between them: Stop; after Esc none)     | idle, busy 0.015 s later    |
| `!command`              | Stop when it ended                       | busy, idle                  |
| /config, /model ...     | none                                     | waiting (dialog open), idle |
| /clear                  | SessionStart                             | busy, idle                  |
| /exit, SIGTERM          | none that is asked for                   | the file is removed         |

So where there is a status it decides, and an idle one only once it has lasted; hooks decide where
there is none. A hook's line comes when its process has run, so by time the two cannot be ordered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..model.session import State

# Longer than between two turns of which the second was queued.
IDLE_LASTS = 0.1

_STATES = {
    "busy": State.WORKING,
    "waiting": State.NEEDS_PERMISSION,
    "idle": State.IDLE,
    "shell": State.IDLE,  # idle, and a command of its runs in the background
}


@dataclass(frozen=True)
class Entry:
    """What one process says of itself."""

    pid: int
    start_time: int  # as in Identity; -1 for one that does not say
    state: State | None  # None: not on a terminal, or it is only starting


def directory(environ: Mapping[str, str]) -> Path | None:
    """Where a Claude with that environment keeps the file; None where it cannot be known."""
    configured, home = environ.get("CLAUDE_CONFIG_DIR", ""), environ.get("HOME", "")
    if configured:
        return Path(configured, "sessions")
    return Path(home, ".claude", "sessions") if home else None


def read(text: str | bytes) -> Entry | None:
    """What a file holds; None while it is being written, and for anything else."""
    try:
        raw = json.loads(text)
        return Entry(
            pid=int(raw["pid"]),
            start_time=int(raw.get("procStart") or -1),
            state=_STATES.get(str(raw.get("status"))),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
