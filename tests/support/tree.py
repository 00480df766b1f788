"""The file system a container machine is a clone of: a minimal Debian, cached."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support import cache

SUITES = {"bookworm": 252, "trixie": 257}
"""Suite → the systemd version it brings."""

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    "procps",
    "iproute2",
    "util-linux",
    "init-system-helpers",
    "python3",
    "python3-aiohttp",
    "python3-psutil",
    "python3-yaml",
    "python3-dotenv",
    "python3-sdnotify",
    "ca-certificates",
    "libstdc++6",
    "git",
    # What sessions run: a sandbox of their own, and a build with a small compiler.
    "bubblewrap",
    "make",
    "tcc",
    "libc6-dev",
)

# They wake up on their own and would be found in what tests measure.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)

RECIPE = "3"
"""Part of the key: raise it when what `build` does changes."""


def tree(suite: str, *more: str) -> Path:
    """With packages beyond the usual ones it is another tree, so that those stay as they are."""
    if suite not in SUITES:
        raise ValueError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    packages = (*PACKAGES, *more)
    key = cache.key(RECIPE, suite, *packages, *MASKED)
    return cache.build_once(f"tree-{suite}-{key}", lambda place: build(suite, place, packages))


def build(suite: str, place: Path, packages: Sequence[str], options: Sequence[str] = ()) -> None:
    """Install a minimal Debian with these packages there; `options` are mmdebstrap's."""
    print(f"building a {suite} tree, once (about 20 s) …", file=sys.stderr, flush=True)
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", *options]
    built = subprocess.run(
        [*command, suite, str(place)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )
    if built.returncode != 0:
        raise RuntimeError(f"mmdebstrap {suite} failed:\n{built.stdout[-4000:]}")
    # mmdebstrap copies the host's. A hostname there would override nspawn's --hostname.
    for name in ("hostname", "resolv.conf"):
        (place / "etc" / name).unlink(missing_ok=True)
    (place / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for unit in MASKED:
        link = place / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        os.symlink("/dev/null", link)
