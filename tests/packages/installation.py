"""Installing, upgrading and removing artac's package in a machine."""

from __future__ import annotations

from tests.packages.conftest import PACKAGES_INSIDE, STANDIN
from tests.support.machine import Machine
from tests.support.machine_command import Completed
from tests.support.way import Way

# No fsync: these machines need not survive the host's power cut.
_FAST = "--option=Dpkg::Options::=--force-unsafe-io"
APT = ("apt-get", "--quiet", "--yes", "--no-install-recommends", _FAST)


def apt(machine: Machine, *argv: str, check: bool = True, **environment: str) -> Completed:
    """apt-get with nobody to ask: dpkg keeps changed configuration files."""
    env = {"DEBIAN_FRONTEND": "noninteractive", **environment}
    return machine.run([*APT, *argv], env=env, check=check, timeout=150)


def install(machine: Machine, deb: str, **environment: str) -> Completed:
    options = ("--option=Dpkg::Options::=--force-confold", "--reinstall", "install")
    return apt(machine, *options, f"{PACKAGES_INSIDE}/{deb}", **environment)


def service(machine: Machine, **settings: str) -> Way:
    """The machine's own artac, restarted with the stand-in as its claude."""
    way = Way(machine, "artac", "artac.service", user_unit=False)
    way.configure(**{"CLAUDE_CODE_PATH": STANDIN, **settings})
    way.systemctl("restart", way.unit)
    return way


def is_active(machine: Machine, unit: str) -> bool:
    return machine.systemctl("is-active", "--quiet", unit, check=False).returncode == 0


def exists(machine: Machine, path: str) -> bool:
    # Asked inside: an absolute link of the machine's leads elsewhere on the host.
    return machine.ns("test", "-e", path, check=False).returncode == 0
