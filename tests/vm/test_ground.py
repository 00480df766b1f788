"""What only a machine with a kernel of its own has, and that artac gets it."""

from __future__ import annotations

import pytest

from tests.support import claude_code
from tests.support.vm import Vm
from tests.support.way import Way
from tests.vm.conftest import STANDIN

ENFORCED = {"cpu", "memory", "pids"}


def controllers(vm: Vm, cgroup: str) -> set[str]:
    return set(vm.read_bytes(f"/sys/fs/cgroup{cgroup}/cgroup.controllers").decode().split())


def cgroup_of(vm: Vm, pid: int) -> str:
    return vm.read_bytes(f"/proc/{pid}/cgroup").decode().strip().removeprefix("0::")


def test_the_service_and_the_user_manager_are_given_controllers(vm: Vm, system: Way) -> None:
    system.configure(CLAUDE_CODE_PATH=STANDIN)
    system.start()
    # Delegate=yes: all there are. systemd gives a user manager these three.
    assert controllers(vm, "/system.slice/artac.service") >= ENFORCED | {"io"}
    uid = vm.uid("artac")
    manager = f"/user.slice/user-{uid}.slice/user@{uid}.service"
    assert controllers(vm, manager) >= ENFORCED


@pytest.mark.parametrize("persist", ["false", "true"])
def test_a_session_is_hosted_in_either_placement(vm: Vm, system: Way, persist: str) -> None:
    system.configure(CLAUDE_CODE_PATH=STANDIN, PERSIST_CLAUDE_SESSIONS=persist)
    system.start()
    session = system.run("first")
    system.wait(session["id"], "idle")
    assert system.ask(session["id"], "second") == "echo: second"
    found = system.status(session["id"])
    where = cgroup_of(vm, found["claude"]["pid"])
    if persist == "true":
        assert found["placement"] == "scope"
        assert f"artac-session-{session['id']}.scope" in where
    else:
        assert found["placement"] == "service"
        assert where.startswith("/system.slice/artac.service/")
    system.artac("stop", session["id"])
    assert system.status(session["id"])["end"]["reason"] == "stopped"
    assert system.processes() == []


def test_the_kernel_ends_what_takes_more_memory_than_its_scope_may(vm: Vm) -> None:
    vm.linger("artac")
    scope = ("systemd-run", "--user", "--scope", "--quiet", "--unit=greedy.scope")
    limits = ("-p", "MemoryMax=60M", "-p", "MemorySwapMax=0")
    cursor = vm.journal_cursor()
    hoard = ("python3", "-c", "bytearray(200_000_000)")
    done = vm.run([*scope, *limits, *hoard], user="artac", check=False)
    assert done.returncode != 0
    kernel = vm.wait_journal(
        "_TRANSPORT=kernel", contains="Memory cgroup out of memory", after=cursor
    )
    assert "(python3)" in kernel["MESSAGE"]


def test_the_real_claude_code_runs_here(vm: Vm, real_claude: str) -> None:
    told = vm.run([real_claude, "--version"], user="artac").stdout
    assert told == f"{claude_code.VERSION} (Claude Code)\n"
