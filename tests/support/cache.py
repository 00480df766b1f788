"""One folder, outside git, for what is built once and keyed by its inputs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    place = Path(os.environ.get("ARTAC_CACHE") or PROJECT / ".cache").absolute()
    place.mkdir(parents=True, exist_ok=True)
    return place


def key(*inputs: str) -> str:
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:12]


def _unmount_below(place: Path) -> None:
    """A build that was killed may have left /proc or more mounted, which is not ours to delete."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        points = [line.split()[1].encode().decode("unicode_escape") for line in mounts]
    for point in sorted(points, reverse=True):
        if Path(point).is_relative_to(place):
            subprocess.run(["umount", "--lazy", point], check=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_once(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, built by `build` if no one has built it yet.

    It is built where it stays, since a virtual environment can't be moved; the
    marker beside it, written last, is what makes it whole.
    """
    place = folder() / name
    complete = folder() / f"{name}.complete"
    if place.is_dir() and complete.exists():
        return place
    with locked(folder() / f"{name}.lock"):
        if place.is_dir() and complete.exists():
            return place
        complete.unlink(missing_ok=True)
        if place.exists():
            _unmount_below(place)
            shutil.rmtree(place)
        place.mkdir()
        build(place)
        complete.touch()
    return place
