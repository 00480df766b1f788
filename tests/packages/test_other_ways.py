"""The RPM package, and artac for one user out of the source, each on a machine without Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.packages.building import NEXT, Built
from tests.packages.conftest import PACKAGES_INSIDE, SOURCE_INSIDE, STANDIN, MachineFactory
from tests.packages.installation import apt, exists, is_active, service
from tests.support import bare_tree
from tests.support.machine import Machine
from tests.support.machine_command import Completed

USER_BIN = "/home/alice/.local/bin"


@pytest.fixture
def machine(boot: MachineFactory) -> Iterator[Machine]:
    yield boot(bare=True)


def rpm(machine: Machine, *argv: str, check: bool = True, **environment: str) -> Completed:
    # Debian's rpm knows nothing of what dpkg has installed, so no dependency is there for it.
    env = {"HOME": "/root", **environment}
    return machine.run(["rpm", "--nodeps", *argv], env=env, check=check)


def test_the_rpm_installs_upgrades_and_goes(machine: Machine, built: Built) -> None:
    apt(machine, "install", *bare_tree.dependencies())
    told = rpm(machine, "--install", f"{PACKAGES_INSIDE}/{built.rpm}").stdout
    assert "artac doctor" in told and "systemctl --user" in told
    assert not is_active(machine, "artac.service")
    assert machine.ns("stat", "--format=%a", "/etc/artac/artac.env").stdout.strip() == "640"
    assert exists(machine, "/var/lib/systemd/linger/artac")
    machine.systemctl("enable", "--now", "artac.service")
    way = service(machine)
    ends, stays = way.run("--name", "ends", "one"), way.run("--name", "stays", "two")
    for session in (ends, stays):
        way.wait(session["id"], "idle")
    way.artac("persist", "stays", "on")
    before = way.status("stays")

    rpm(machine, "--upgrade", f"{PACKAGES_INSIDE}/{built.next_rpm}")
    assert NEXT in way.artac("--version").stdout
    after = way.status("stays")
    assert (after["keeper"], after["claude"]) == (before["keeper"], before["claude"])
    assert way.status(ends["id"])["end"]["reason"] == "backend-stopped"
    assert "CLAUDE_CODE_PATH" in machine.path("/etc/artac/artac.env").read_text()

    refused = rpm(machine, "--erase", "artac", check=False, ARTAC_REMOVE_SESSIONS="no")
    assert refused.returncode != 0 and "allowed are keep and end" in refused.stdout + refused.stderr
    assert is_active(machine, "artac.service")
    told = rpm(machine, "--erase", "artac").stdout
    assert f"artac-session-{stays['id']}.scope" in told
    assert not is_active(machine, "artac.service")
    assert way.is_alive(before["keeper"]["pid"])
    assert not exists(machine, "/usr/bin/artac") and not exists(machine, "/usr/share/artac")


def test_a_user_installs_runs_and_removes_it_without_root(machine: Machine, built: Built) -> None:
    apt(machine, "install", "python3", "dbus-user-session", "libpam-systemd", "procps")
    machine.add_user("alice")

    def make(target: str, check: bool = True, **environment: str) -> Completed:
        command = ["make", "--no-print-directory", "-C", SOURCE_INSIDE, target]
        return machine.run(command, user="alice", check=check, env=environment)

    def artac(*argv: str, check: bool = True) -> Completed:
        return machine.run([f"{USER_BIN}/artac", *argv], user="alice", check=check)

    refused = make("install-user", check=False)
    advice = [line for line in refused.stderr.splitlines() if "sudo apt install" in line]
    assert refused.returncode != 0 and len(advice) == 1
    assert not exists(machine, USER_BIN)
    as_root = machine.run(["make", "-C", SOURCE_INSIDE, "install-user"], check=False)
    assert as_root.returncode != 0 and "without sudo" in as_root.stderr
    apt(machine, "install", *advice[0].partition("apt install ")[2].split())

    assert "systemctl --user enable --now artac" in make("install-user").stdout
    script = f"""
        mkdir -p ~/.config/artac
        echo 'PERSIST_CLAUDE_SESSIONS=true' >~/.config/artac/artac.env
        echo 'claude_code_path: {STANDIN}' >>~/.config/artac/artac.yaml"""
    machine.run(["sh", "-c", script], user="alice")
    machine.systemctl_user("alice", "enable", "--now", "artac")
    started = artac("run", "--name", "own", "--cwd", "/home/alice", "hello").stdout
    assert "own" in started
    assert artac("send", "own", "hi", "--wait").stdout.strip() == "echo: hi"
    assert artac("doctor", check=False).stdout.count("fail") <= 2

    unit = "artac-session@job.service"
    saved = artac("run", "--save", "job", "--cwd", "/home/alice", "--wait", "hi")
    assert saved.stdout == "echo: hi\n"
    artac("stop", "job")
    machine.systemctl_user("alice", "start", "--wait", unit)
    ended = artac("status", "--json", "job").stdout
    assert '"reason": "stopped"' in ended and "by alice" in ended

    # Over itself, as after a pull: what was configured stays.
    make("install-user")
    machine.systemctl_user("alice", "restart", "artac")
    assert artac("send", "own", "hi again", "--wait").stdout.strip() == "echo: hi again"

    told = make("uninstall-user").stdout
    assert "artac-session-" in told and "stop artac.slice" in told
    assert machine.systemctl_user("alice", "is-active", "artac", check=False).returncode != 0
    left = machine.ns("find", "/home/alice", "-type", "f", "-path", "*artac*").stdout.split()
    # The session that lives on holds its conversation in Claude's own directory.
    locks = "/home/alice/.claude/artac/"
    places = ("/home/alice/.config/artac/", "/home/alice/.local/state/artac/", locks)
    assert left and [path for path in left if not path.startswith(places)] == []
    assert len([path for path in left if path.startswith(locks)]) == 1
    machine.systemctl_user("alice", "stop", "artac.slice")
    assert not exists(machine, locks) or machine.ns("ls", locks).stdout == ""
