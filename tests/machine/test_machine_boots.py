"""The container machines themselves: a real systemd, and nothing left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.conftest import TESTS_INSIDE, MachineFactory
from tests.support import cache, leftovers
from tests.support.cgroup import Cgroup
from tests.support.machine import CommandFailed, Machine
from tests.support.tree import SUITES


def test_systemd_is_up(machine: Machine, suite: str) -> None:
    assert machine.systemctl("is-system-running", "--wait").stdout == "running\n"
    version = machine.systemctl("--version").stdout.split()[1]
    assert version == str(SUITES[suite])


@pytest.fixture(scope="module")
def alice(machine: Machine) -> Iterator[str]:
    machine.add_user("alice")
    yield "alice"
    machine.run(["loginctl", "disable-linger", "alice"])
    machine.systemctl("stop", f"user@{machine.uid('alice')}.service")
    machine.run(["userdel", "--remove", "alice"])


def test_what_a_package_installs_is_there(machine: Machine) -> None:
    assert machine.home("artac") == "/var/lib/artac"
    assert machine.systemctl("cat", "artac.service").stdout
    assert machine.path("/usr/bin/artac").stat().st_mode & 0o777 == 0o755
    assert machine.path("/etc/artac/artac.env").stat().st_mode & 0o777 == 0o640


def test_a_lingering_user_has_a_manager(machine: Machine, alice: str) -> None:
    assert machine.systemctl_user(alice, "is-system-running").stdout == "running\n"


def test_a_user_can_start_a_scope(machine: Machine, alice: str) -> None:
    scope = ["systemd-run", "--user", "--scope", "--quiet", "--unit=probe.scope"]
    cgroup = machine.run([*scope, "cat", "/proc/self/cgroup"], user=alice).stdout
    assert cgroup.endswith(f"/user@{machine.uid(alice)}.service/app.slice/probe.scope\n")


def test_claude_runs_inside(machine: Machine) -> None:
    assert "(Claude Code)" in machine.run(["claude", "--version"], user="artac").stdout


def test_the_tests_are_inside(machine: Machine) -> None:
    assert machine.path(f"{TESTS_INSIDE}/tests/machine/{Path(__file__).name}").exists()


def test_a_command_is_passed_on_as_it_is(machine: Machine) -> None:
    given = "no newline, ü, \r\n, $HOME ${HOME} $$ %n"
    assert machine.run(["cat"], input=given).stdout == given
    assert machine.run(["printf", "%s", given]).stdout == given
    assert machine.run(["sh", "-c", 'echo "$A"'], env={"A": given}).stdout == f"{given}\n"
    assert machine.run(["sh", "-c", "echo out; echo err >&2; exit 7"], check=False).returncode == 7
    with pytest.raises(CommandFailed, match="went wrong"):
        machine.run(["sh", "-c", "echo went wrong >&2; exit 1"])


def test_a_command_that_takes_too_long_is_ended(machine: Machine) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        machine.run(["sleep", "987654"], timeout=0.5)
    assert machine.ns("pgrep", "-f", "^sleep 987654", check=False).stdout == ""


def test_a_command_in_the_background(machine: Machine) -> None:
    with machine.background(["cat"]) as cat:
        assert cat.stdin is not None and cat.stdout is not None
        cat.stdin.write(b"line\n")
        cat.stdin.flush()
        assert cat.stdout.readline() == b"line\n"


def test_a_login_is_a_session(machine: Machine, alice: str) -> None:
    session = machine.login(alice, ["sh", "-c", "echo $XDG_SESSION_ID; id -u"]).stdout.split()
    assert len(session) == 2 and session[1] == str(machine.uid(alice))


def test_the_journal_is_waited_for(machine: Machine) -> None:
    machine.ns("logger", "--tag=probe", "a line")
    start = machine.journal_cursor()
    with pytest.raises(TimeoutError):
        machine.wait_journal("SYSLOG_IDENTIFIER=probe", contains="a line", after=start, timeout=0.3)
    machine.ns("logger", "--tag=probe", "a line")
    entry = machine.wait_journal("SYSLOG_IDENTIFIER=probe", contains="a line", after=start)
    assert entry["MESSAGE"] == "a line"
    assert len(machine.journal("SYSLOG_IDENTIFIER=probe")) == 2


def test_links_are_followed_inside_the_machine(machine: Machine) -> None:
    machine.ns("ln", "-sfn", "/etc", "/tmp/link")
    assert machine.path("/tmp/link/hostname") == machine.path("/etc/hostname")


def test_the_disk_outlives_reboot_poweroff_and_power_cut(fresh_machine: MachineFactory) -> None:
    machine = fresh_machine()
    machine.linger("artac")
    boots = []
    for stop in (machine.reboot, machine.poweroff, machine.power_cut, lambda: None):
        boots.append(machine.path("/proc/sys/kernel/random/boot_id").read_text())
        with machine.path("/var/lib/artac/boots").open("a") as kept:
            kept.write("x")
        stop()
        if stop in (machine.poweroff, machine.power_cut):
            machine.start()
    assert len(set(boots)) == 4
    assert machine.path("/var/lib/artac/boots").read_text() == "xxxx"
    machine.wait_user_manager("artac")
    machine.systemctl_user("artac", "is-system-running")


def _traces(run_name: str) -> list[str]:
    found = [str(leftovers.RUNS / run_name)] if (leftovers.RUNS / run_name).exists() else []
    cgroup = Cgroup(leftovers.PREFIX + run_name)
    found += [str(place) for place in cgroup.places() if place.exists()]
    mounts = Path("/proc/self/mountinfo").read_text()
    found += [line for line in mounts.splitlines() if run_name in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # A zombie is for its parent to reap: of a killed harness, the host's PID 1.
            dead = "State:\tZ" in (process / "status").read_text()
            if not dead and run_name in (process / "cgroup").read_text():
                found.append(f"process {process.name}")
        except OSError:
            continue
    return found


def test_nothing_is_left_of_a_machine(suite: str) -> None:
    with Machine.boot(suite) as machine:
        machine.add_user("alice")
        run_name = machine.cgroup.name.removeprefix(leftovers.PREFIX)
        assert _traces(run_name)
    assert _traces(run_name) == []


HARNESS = """
import signal, sys
from tests.support.machine import Machine
print(Machine.boot(sys.argv[1]).cgroup.name, flush=True)
signal.pause()
"""


def test_nothing_is_left_of_a_killed_test_run(suite: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, suite],
        cwd=cache.PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as harness:
        assert harness.stdout is not None and harness.stderr is not None
        run_name = harness.stdout.readline().strip().removeprefix(leftovers.PREFIX)
        assert _traces(run_name)
        assert run_name not in leftovers.sweep(), "a living run's machine was swept"
        os.kill(harness.pid, signal.SIGKILL)
        # The reaper has the other end too: this ends when it has done its work.
        harness.stderr.read()
    assert run_name not in leftovers.sweep(), "its reaper left it to us"
    assert _traces(run_name) == []
