"""apt install on machines that have never seen artac, apt purge, and images without a systemd."""

from __future__ import annotations

import json

from tests.packages.building import Built
from tests.packages.conftest import PACKAGES_INSIDE, MachineFactory
from tests.packages.installation import apt, exists, install, is_active, service
from tests.support.machine import Machine


def test_a_fresh_machine_gets_a_service_that_works_and_purge_leaves_no_trace(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot(bare=True)
    before = traces(machine)
    told = [line for line in install(machine, built.deb).stdout.splitlines() if "artac: " in line]
    assert len(told) == 2 and "artac doctor" in told[0] and "systemctl --user" in told[1]
    assert is_active(machine, "artac.service")
    assert machine.systemctl("is-enabled", "artac.service").stdout.strip() == "enabled"
    assert 0 < machine.uid("artac") < 1000
    assert "Linger=yes" in machine.run(["loginctl", "show-user", "artac"]).stdout
    modes = {"/var/lib/artac": "700 artac", "/etc/artac/artac.env": "640 root"}
    for path, mode in modes.items():
        assert machine.ns("stat", "--format=%a %U", path).stdout.strip() == mode
    assert machine.ns("dpkg", "--verify", "artac").stdout == ""
    # systemd's own trigger has compiled what the package brings for `journalctl -x`.
    known = machine.ns("journalctl", "--list-catalog").stdout
    assert "artac: The host of Claude Code sessions is ready" in known
    doctor = machine.run(["artac", "doctor", "--json"], check=False)
    found = json.loads(doctor.stdout)
    failed = {check["name"] for check in found if check["status"] == "fail"}
    assert failed <= {"claude", "login"}, found

    for name in ("alice", "bob"):
        machine.add_user(name, linger=False)
    machine.run(["usermod", "-aG", "artac", "alice"])
    assert machine.run(["artac", "ls"], user="alice").returncode == 0
    assert machine.run(["artac", "ls"], user="bob", check=False).returncode != 0

    way = service(machine, PERSIST_CLAUDE_SESSIONS="true")
    way.drop_in("50-own", "[Service]\nNice=1\n")
    session = way.run("hello")
    way.wait(session["id"], "idle")
    keeper = way.status(session["id"])["keeper"]["pid"]
    # A declared session and its times: nothing of it is enabled by itself, and nothing stays.
    example = "/usr/share/doc/artac/examples/sessions.d/nightly.yaml"
    machine.ns("install", "-D", "-m", "644", example, "/etc/artac/sessions.d/nightly.yaml")
    timer = "artac-session@nightly.timer"
    assert machine.systemctl("is-enabled", timer, check=False).stdout.strip() == "disabled"
    machine.systemctl("enable", "--now", timer)
    assert way.artac("start", "--wait", "--stop", "nightly").stdout.startswith("echo: Look through")
    purged = apt(machine, "purge", "artac")
    assert f"artac-session-{session['id']}.scope" in purged.stdout
    assert not way.is_alive(keeper)
    assert not is_active(machine, f"user@{machine.uid('artac')}.service")
    assert not is_active(machine, timer)
    assert traces(machine) == before
    assert machine.systemctl("list-unit-files", "artac*", "--no-legend", check=False).stdout == ""

    install(machine, built.deb)
    assert is_active(machine, "artac.service")
    assert service(machine, PERSIST_CLAUDE_SESSIONS="true").run("again")["placement"] == "scope"


def traces(machine: Machine) -> str:
    """Every path that has artac in its name, but for documentation of package systems."""
    places = ("/etc", "/usr", "/var", "/run")
    found = machine.ns(
        *("find", *places, "-iname", "*artac*", "-not", "-path", "/var/log/*"),
        *("-not", "-path", "/run/systemd/*"),
    )
    return found.stdout


def test_an_image_without_a_systemd_starts_it_at_its_first_boot(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot()
    script = f"mount -t tmpfs tmpfs /run && dpkg -i {PACKAGES_INSIDE}/{built.deb}"
    machine.run(["unshare", "--mount", "sh", "-c", script], timeout=150)
    assert exists(machine, "/var/lib/systemd/linger/artac")
    assert not is_active(machine, "artac.service")
    machine.reboot()
    machine.systemctl("is-system-running", "--wait", check=False)
    assert is_active(machine, "artac.service")
    assert is_active(machine, f"user@{machine.uid('artac')}.service")
