"""What a container machine has on the host, and its removal however a test run ended.

Each machine has a run folder, whose lock its owner holds, and a cgroup of the same
name. The kernel drops the lock of a killed owner, so what is unlocked is left over.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import cache
from tests.support.cgroup import Cgroup


def _home() -> Path:
    # An overlay can't have its writable part on an overlay, as / is in most containers.
    disk = Path("/var/tmp")
    return Path("/dev/shm") if _file_system(disk) == "overlay" else disk


def _file_system(path: Path) -> str:
    command = ["findmnt", "-n", "-o", "FSTYPE", "-T", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


RUNS = _home() / "artac-test"
PREFIX = "artac-test-"


class Run:
    def __init__(self, name: str, lock: int) -> None:
        self.name = name
        self.folder = RUNS / name
        self.cgroup = Cgroup(PREFIX + name)
        self._lock = lock

    def remove(self) -> None:
        """End every process of the machine, then take away its cgroup and its files."""
        self._end()
        with _all_runs():
            self._forget()

    def _end(self) -> None:
        self.cgroup.kill()
        self.cgroup.wait_empty(30)

    def _forget(self) -> None:
        self.cgroup.remove()
        shutil.rmtree(self.folder)
        os.close(self._lock)
        _remove_if_empty()


def claim(name: str) -> Run:
    _start_reaper()
    with _all_runs():
        (RUNS / name).mkdir()
        lock = os.open(RUNS / name / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Run(name, lock)


def sweep() -> list[str]:
    """Remove what killed test runs left; machines of living ones are not touched."""
    swept: list[str] = []
    if not RUNS.is_dir():
        return swept
    # To the end under the lock: who sweeps after another finds nothing half gone.
    with _all_runs():
        for run in list(_unlocked()):
            run._end()
            run._forget()
            swept.append(run.name)
        _remove_if_empty()
    return swept


def _unlocked() -> Iterator[Run]:
    for folder in sorted(RUNS.iterdir()):
        if not folder.is_dir():
            continue
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            yield Run(folder.name, lock)


@contextmanager
def _all_runs() -> Iterator[None]:
    # The folder above is the lock, so that no lock file stays behind.
    lock = os.open(RUNS.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        RUNS.mkdir(mode=0o700, exist_ok=True)
        found = RUNS.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{RUNS} is not ours; remove it")
        yield
    finally:
        os.close(lock)


def _remove_if_empty() -> None:
    try:
        RUNS.rmdir()
    except OSError:
        return


_reaper: subprocess.Popen[bytes] | None = None


def _start_reaper() -> None:
    """A machine outlives a harness that is SIGKILLed, so a process waits for that end."""
    global _reaper
    if _reaper is not None:
        return
    sweep()
    _reaper = subprocess.Popen(
        ["sh", "-c", f"read -r done || exec '{sys.executable}' -m tests.support.leftovers"],
        cwd=cache.PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(_end_reaper, _reaper, os.getpid())


def _end_reaper(reaper: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return
    reaper.communicate(b"done\n")


if __name__ == "__main__":
    for name in sweep():
        print(f"removed the machine {name}, left by a killed test run", file=sys.stderr)
