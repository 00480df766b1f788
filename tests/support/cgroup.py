"""The cgroup one container machine lives in: the handle by which all of it ends."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path


def _mounts(kind: str) -> list[Path]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == kind:
            found.append(Path(fields.split()[4]))
    return found


def unified_mount() -> Path | None:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or below it on a hybrid host."""
    return next(iter(_mounts("cgroup2")), None)


class Cgroup:
    def __init__(self, name: str) -> None:
        mount = unified_mount()
        if mount is None:
            raise RuntimeError("no cgroup v2 hierarchy is mounted")
        self.path = mount / name
        # On a hybrid host nspawn mirrors its cgroup into v1's name=systemd.
        self._mirrors = [v1 / name for v1 in _mounts("cgroup")]

    def create(self) -> None:
        self.path.mkdir()

    @property
    def populated(self) -> bool:
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return False

    def kill(self) -> None:
        try:
            (self.path / "cgroup.kill").write_text("1")
        except FileNotFoundError:
            return

    def wait_empty(self, timeout: float) -> None:
        try:
            events = os.open(self.path / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            changed = select.poll()
            changed.register(events, select.POLLPRI)
            deadline = time.monotonic() + timeout
            # Reading first arms the notification; what changed before is seen here.
            while b"populated 1" in os.pread(events, 4096, 0):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self.path} still has processes after {timeout:.0f} s")
                changed.poll(left * 1000)
        finally:
            os.close(events)

    def places(self) -> list[Path]:
        return [self.path, *self._mirrors]

    def remove(self) -> None:
        for top in self.places():
            for folder, _, _ in os.walk(top, topdown=False):
                os.rmdir(folder)
