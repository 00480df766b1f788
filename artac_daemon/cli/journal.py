"""The journal's entries about a session, read with the rights of whoever asks and no others."""

from __future__ import annotations

import os
import pwd
import subprocess

from ..model.session import unit_name
from .escapes import harmless

# A large journal on a slow disk takes seconds; one that takes longer is not waited for.
_LIMIT = 15.0
_NOT_ALL = (
    "(not all of the journal is yours to read: be root, or in the group systemd-journal or adm)"
)


def entries(account: str, session_id: str, wanted: int) -> list[str]:
    """At most so many of the last entries, oldest first, and what keeps others from being read.

    Anybody may log with any field, so only entries of the daemon's own account count.
    """
    command = ["journalctl", "--no-pager", "--output=short-iso", f"--lines={wanted}"]
    try:
        asked = subprocess.run(
            [*command, *_matches(account, session_id)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            timeout=_LIMIT,
        )
    except FileNotFoundError:
        return ["(there is no journalctl here)"]
    except subprocess.TimeoutExpired:
        return [f"(journalctl did not come to an end within {_LIMIT:g} s)"]
    except OSError as error:
        return [f"(journalctl: {error.strerror})"]
    said = asked.stdout.decode("utf-8", "replace").splitlines()
    # "-- No entries --", and "-- Boot ID --" between entries of two boots.
    lines = [harmless(line) for line in said if line != "-- No entries --"]
    hints = asked.stderr.decode("utf-8", "replace")
    if "not seeing messages" in hints or "insufficient permissions" in hints:
        lines.append(_NOT_ALL)
    elif asked.returncode and not lines and hints.strip():
        lines.append(f"({harmless(hints.strip().splitlines()[-1])})")
    return lines


def _matches(account: str, session_id: str) -> list[str]:
    """What daemon and keeper said of it, or the user manager of its scope."""
    uid = _uid(account)
    own = [f"_UID={uid}"] if uid is not None else []
    return [f"ARTAC_SESSION={session_id}", *own, "+", f"USER_UNIT={unit_name(session_id)}", *own]


def _uid(account: str) -> int | None:
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return int(account) if account.isdigit() else None
