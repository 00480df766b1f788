"""What the kernel has counted in a session's cgroup since the session began.

The files are those of the session's own cgroup, not of Claude's leaf in it: the controllers are
enabled there and no further down, and its counters hold what happened below it.
"""

from __future__ import annotations

import os

Counts = dict[str, "int | float"]

_MEMORY_EVENTS = ("high", "max", "oom", "oom_kill")
# A highest level, not a count: what came before cannot be taken off.
_PEAK = "memory_peak_bytes"


class Counters:
    """Counts from its own making on: a cgroup that is used again has counted for another."""

    def __init__(self, cgroup: str) -> None:
        self._cgroup = cgroup
        self._before = read(cgroup)
        self._earlier: Counts = {}  # of the cgroups that the session has left
        self._leaving: Counts = {}

    def leave(self) -> None:
        """The session is about to be moved: a scope is gone as soon as the last process is."""
        self._leaving = self.since()

    def enter(self, cgroup: str) -> None:
        """It is there now; the same cgroup when the move was taken back."""
        if cgroup != self._cgroup:
            self._earlier, self._cgroup, self._before = self._leaving, cgroup, read(cgroup)

    def since(self) -> Counts:
        """What has come to it since; a key that is missing is not counted on this machine."""
        found = dict(self._earlier)
        for key, value in read(self._cgroup).items():
            earlier = found.get(key, 0)
            if key == _PEAK:
                found[key] = max(earlier, value)
            else:
                found[key] = earlier + max(0, value - self._before.get(key, 0))
        return found


def read(cgroup: str) -> Counts:
    """All that the kernel counts in a cgroup and below it, in the keys of an end's `tally`."""
    events = _rows(f"{cgroup}/memory.events")
    found: Counts = {f"memory_{name}": events[name] for name in _MEMORY_EVENTS if name in events}
    peak = _first(f"{cgroup}/memory.peak")  # Linux 5.19
    if peak.isdigit():
        found[_PEAK] = int(peak)
    refused = _rows(f"{cgroup}/pids.events")
    if "max" in refused:
        found["tasks_refused"] = refused["max"]
    # Counted without the cpu controller too.
    used = _rows(f"{cgroup}/cpu.stat")
    if "usage_usec" in used:
        found["cpu_seconds"] = used["usage_usec"] / 1e6
    stalled = _first(f"{cgroup}/memory.pressure").rpartition(" total=")[2]
    if stalled.isdigit():
        found["memory_stall_seconds"] = int(stalled) / 1e6
    return found


def _rows(path: str) -> dict[str, int]:
    rows = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            rows[name] = int(value)
    return rows


def _first(path: str) -> str:
    return _text(path).partition("\n")[0]


def _text(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""  # no such controller here, or the cgroup has gone
    try:
        return os.read(fd, 65536).decode("ascii", "replace")
    except OSError:  # EOPNOTSUPP: pressure is switched off (psi=0)
        return ""
    finally:
        os.close(fd)
