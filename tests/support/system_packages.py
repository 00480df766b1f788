"""Installs what Debian packages have of what the tests need and this machine lacks.

Arguments are parts of the tests; some need more than the others.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "git": "git",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
    "mandoc": "mandoc",
    "groff": "groff-base",
    "zsh": "zsh",
    "fish": "fish",
}

BUILDERS = {
    "dpkg-buildpackage": "dpkg-dev",
    "dh": "debhelper",
    "dh_python3": "dh-python",
    "lintian": "lintian",
    "rpmbuild": "rpm",
    "rpmlint": "rpmlint",
}
"""What the parts `packages` and `vm` need besides; a demonstration or another part does without."""


def missing(parts: Sequence[str] = ()) -> list[str]:
    programs = {**PROGRAMS, **(BUILDERS if {"packages", "vm"} & set(parts) else {})}
    packages = {package for program, package in programs.items() if not _found(program)}
    if importlib.util.find_spec("ensurepip") is None:
        packages.add("python3-venv")
    # npm brings node, which a program of the TypeScript SDK runs on.
    if not _found("npm") and ("daemon" in parts or not _found("claude")):
        packages.add("npm")
    return sorted(packages)


def _found(program: str) -> bool:
    # A user's PATH may lack the folders of what only root needs.
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _as_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if not _found("sudo"):
        return None
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "--non-interactive"]


def main() -> None:
    packages = missing(sys.argv[1:])
    if not packages:
        return
    advice = f"to run everything, install as root: {' '.join(packages)}"
    as_root = _as_root()
    if not _found("apt-get") or as_root is None:
        print(advice, file=sys.stderr)
        return
    print(f"installing {' '.join(packages)} …", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    # A source that can't be reached does not keep the others from having the packages.
    subprocess.run([*apt, "update"], env=environment, stdout=subprocess.DEVNULL)
    install = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    done = subprocess.run(install, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"{done.stdout[-2000:]}\napt-get could not; {advice}", file=sys.stderr)


if __name__ == "__main__":
    main()
