"""A Debian on which nothing that artac needs was installed, and what apt would fetch for it.

apt works on it without a network: its lists and the packages it may be asked for are there.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import cache
from tests.support.tree import build

PACKAGES = (
    *("systemd", "systemd-sysv", "init-system-helpers", "iproute2", "util-linux"),
    # A usual Debian has it, and tests talk to systemd by it.
    "dbus",
    # Of the tests: another package system, and what a source is installed with. No Python in them.
    *("rpm", "make"),
)

CONTROL = cache.PROJECT / "packaging/debian/control"


def depends() -> list[str]:
    """The entries of the Debian package's Depends, without those that its build fills in."""
    found = re.search(r"^Depends:(.*?)^\S", CONTROL.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    entries = [entry.strip() for entry in found[1].split(",")]
    return [entry for entry in entries if entry and not entry.startswith("$")]


def dependencies() -> list[str]:
    """Their names; of alternatives the first."""
    return sorted({entry.split()[0] for entry in depends()})


def tree(suite: str) -> Path:
    fetched = dependencies()
    key = cache.key("2", suite, *PACKAGES, *fetched)
    fetch = "apt-get install --download-only --yes --no-install-recommends"
    # mmdebstrap's own apt configuration is for a chroot from outside.
    chroot = 'chroot "$1" env --unset=APT_CONFIG'
    hooks = (f"{chroot} apt-get clean", f"{chroot} {fetch} {' '.join(fetched)}")
    options = ("--skip=cleanup/apt", *(f"--customize-hook={hook}" for hook in hooks))
    return cache.build_once(
        f"bare-{suite}-{key}", lambda place: build(suite, place, PACKAGES, options)
    )
